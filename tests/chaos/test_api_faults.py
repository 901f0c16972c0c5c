"""Every fault that the fake server can play, one by one, against the whole job; then it is over and the job ends."""

from collections import Counter, defaultdict
from datetime import timedelta

import pytest
from sqlalchemy import text

from chaos.conftest import picked
from chaos.zygote import zygote
from chat_hygiene.clock import utc_now
from chat_hygiene.core.errors import Exit
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.providers.fake.records import api_time, chat_record, device_record
from chat_hygiene.providers.fake.server import serve
from chat_hygiene.providers.fake.world import World
from support import inbox
from support.command import apply, environment, verified

DEVICE = "5f0c1d2e3a4b5c6d7e8f9a0b"
CHATS = 12
READ, DELETE = On(method="GET", route="chat", nth=2, times=3), On(method="DELETE", nth=2, times=3)
LIST = On(method="GET", route="chats", times=1)
STATUSES = (400, 401, 402, 403, 404, 409, 500, 502, 503, 504)
FAULTS = {
    **{f"{code} to a read": faults.status(code, on=READ) for code in STATUSES},
    **{f"{code} to a DELETE": faults.status(code, on=DELETE) for code in STATUSES},
    "429 to a read": faults.rate_limited("1", on=READ),
    "429 to a DELETE": faults.rate_limited("1", on=DELETE),
    "429 to the list": faults.rate_limited("0", on=LIST),
    "a read is answered too late": faults.delay(1.5, on=READ),
    "a DELETE is answered too late": faults.delay(2.5, on=DELETE),
    "a DELETE's answer drips": faults.slow_drip(1.5, on=DELETE),
    "a read breaks off": faults.cut(on=READ),
    "a DELETE's answer breaks off": faults.cut(on=DELETE),
    "a read is reset": faults.reset(on=READ),
    "a DELETE is reset": faults.reset(on=DELETE),
    "a DELETE acts and hangs up": faults.acts_and_hangs_up(on=DELETE),
    "a read is half a document": faults.malformed(on=READ),
    "a list is half a document": faults.malformed(on=LIST),
    "a read is huge": faults.huge(20_000_000, on=READ),
    "a DELETE's answer is huge": faults.huge(20_000_000, on=DELETE),
    "a DELETE is answered and ignored": faults.ignored(on=DELETE),
    "the clocks are apart": faults.skewed(timedelta(minutes=10), on=READ),
}
SLICE = ("500 to a DELETE", "a DELETE acts and hangs up")


@pytest.mark.parametrize("fault", picked(FAULTS, SLICE))
def test_a_fault_of_the_api_passes_and_every_chat_goes_once(fault, database_url, engine, tmp_path):
    world, wids = account()
    with serve(world) as server, zygote(tmp_path) as warm:
        env = environment(database_url, server.url, CHAT_HYGIENE_API_TOKEN=world.token)
        apply(env, inbox.POLICIES)
        world.script(FAULTS[fault])
        first = warm.start("run", env)
        assert first.wait() in {0, Exit.UNREACHABLE}, first.said()
        world.clear_script()
        for _ in range(5):
            with engine.begin() as connection:  # an operator does not wait for a pause or a block to pass
                connection.execute(
                    text("update jobs set next_attempt_at = not_before where state = 'queued'")
                )
                connection.execute(text("update devices set paused_until = null, blocked_reason = null"))
            again = warm.start("run", env)
            assert again.wait() == 0, again.said()
            with engine.connect() as connection:
                query = text("select state from jobs where state <> 'cancelled'")
                states = Counter(connection.execute(query).scalars())
            if not {"queued", "leased", "sent"} & set(states):
                break
    left = [wid for wid in wids if (chat := world.find(DEVICE, wid)) is not None and chat.on_platform]
    assert not left, f"{len(left)} chats are left, and the jobs are {states}"
    # A chat that was hidden behind a false 404 comes back as another life of it.
    with engine.connect() as connection:
        lives = "select count(*) from jobs where state <> 'cancelled' group by chat_id, generation"
        assert set(connection.execute(text(lives)).scalars()) == {1}, "a chat life has more than one outcome"
    assert set(states) <= {"deleted", "already_gone", "removed_locally"}, states
    shown: dict[str | None, bool] = defaultdict(bool)
    for seen in world.seen(route="chat"):
        if seen.call.method == "DELETE":
            assert shown[seen.call.wid], f"{seen.call.wid} was deleted without a read that showed it"
        shown[seen.call.wid] = seen.call.method == "GET" and seen.status == 200
    assert verified(env)


def account() -> tuple[World, list[str]]:
    """One number whose chats all have to go."""
    world, old = World(now=utc_now), utc_now() - timedelta(days=60)
    world.add_device(device_record(DEVICE, alias="Support"))
    wids = [f"44770090{number:04d}@c.us" for number in range(CHATS)]
    times = {"lastInboundMessageAt": api_time(old), "statusUpdatedAt": api_time(old)}
    for wid in wids:
        world.add_chat(DEVICE, chat_record(wid, last_message_at=old, status="resolved", **times))
    return world, wids
