"""A device that fails is left alone by everybody, asked once when its time is over, and costs no job an attempt."""

import asyncio
from datetime import timedelta

import pytest

from chat_hygiene.pipeline import drain
from chat_hygiene.pipeline.calls import admitted
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.providers import registry
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.store import breakers
from integration.pipeline.conftest import DEVICE, drained

OTHER = "5f0c1d2e3a4b5c6d7e8f9a0c"
EVERYTHING = On(times=None)


@pytest.fixture
def queued(rig):
    """Ten chats that leave now."""
    for number in range(10):
        rig.chat(number)
    rig.apply(grace="1d")
    rig.run()
    rig.offset = timedelta(days=1, minutes=1)
    return rig


def asked(rig, since=0) -> list[tuple[str, str]]:
    return [(seen.call.method, seen.call.route) for seen in rig.world.seen()[since:]]


def test_an_outage_opens_the_breaker_hands_the_jobs_back_and_costs_no_attempt(queued):
    before = len(asked(queued))
    queued.world.script(faults.status(503, on=EVERYTHING))
    assert drained(queued).worked == 0
    ((failures, until),) = queued.sql("select breaker_failures, breaker_until from devices")
    assert failures == breakers.LIMIT
    assert until is not None
    assert queued.sql("select state, max(attempts), count(*) from jobs group by state") == [("queued", 0, 10)]
    calls = asked(queued, before)
    assert set(calls) == {("GET", "chat")}
    assert len(calls) < 10 + breakers.LIMIT, "nobody goes on asking"


def test_after_the_wait_one_read_comes_before_anything_else(queued):
    queued.world.script(faults.status(503, on=EVERYTHING))
    drained(queued)
    queued.world.clear_script()
    queued.offset += timedelta(seconds=31)
    before = len(asked(queued))
    assert drained(queued).worked == 10
    calls = asked(queued, before)
    assert calls[:2] == [("GET", "chats"), ("GET", "chat")]
    assert calls.count(("GET", "chats")) == 1
    assert queued.sql("select breaker_failures, breaker_until from devices") == [(0, None)]


def test_a_bad_probe_is_the_only_call_and_doubles_the_wait(queued):
    queued.world.script(faults.status(503, on=EVERYTHING))
    drained(queued)
    for wait in (31, 61, 121):
        queued.offset += timedelta(seconds=wait)
        before = len(asked(queued))
        assert drained(queued).worked == 0
        assert asked(queued, before) == [("GET", "chats")]


def test_of_many_that_come_at_once_one_probes(queued):
    queued.world.script(faults.status(503, on=EVERYTHING))
    drained(queued)
    queued.world.clear_script()
    queued.world.script(faults.delay(0.5, on=On(route="chats", times=None)))
    queued.offset += timedelta(seconds=31)
    before = len(asked(queued))

    async def come(context):
        reader = registry.open_reader(context.settings, context.clock)
        try:
            return await asyncio.gather(
                *(admitted(context, reader, 1, pacer=Pacer(context)) for _ in range(8))
            )
        finally:
            await reader.aclose()

    with queued.ledger() as ledger:
        assert sorted(asyncio.run(come(ledger.context))) == [False] * 7 + [True]
    assert asked(queued, before) == [("GET", "chats")]


@pytest.mark.parametrize(("code", "reason"), [(401, "key"), (402, "plan")])
def test_a_probe_that_is_turned_away_closes_the_breaker_and_blocks(queued, code, reason):
    queued.world.script(faults.status(503, on=EVERYTHING))
    drained(queued)
    queued.world.clear_script()
    queued.world.script(faults.status(code, on=EVERYTHING))
    queued.offset += timedelta(seconds=31)
    assert drained(queued).worked == 0
    assert queued.sql("select breaker_until, blocked_reason from devices") == [(None, reason)]


def test_a_rate_limit_stops_everything_about_the_device_and_nothing_about_others(queued):
    queued.world.add_device(device_record(OTHER, alias="Other"))
    for number in range(10, 15):
        queued.chat(number, device=OTHER)
    queued.overrides = {"read_only": True}
    queued.run()
    queued.overrides = {}
    queued.offset += timedelta(days=1, minutes=1)
    queued.world.script(faults.rate_limited("600", on=On(device=DEVICE, times=None)))
    before = len(queued.world.seen())
    assert drained(queued).worked == 5
    calls = [seen.call for seen in queued.world.seen()[before:] if seen.call.device == DEVICE]
    assert 1 <= len(calls) <= 8, "what was out already, and nothing after"
    assert queued.sql("select max(attempts) from jobs") == [(1,)]


def test_a_call_whose_read_back_meets_an_outage_costs_no_attempt_and_is_read_first(queued):
    down = faults.status(503, on=On(method="GET", times=None))
    queued.world.script(
        faults.before(lambda: queued.world.script(down), on=On(method="DELETE", nth=1)),
    )
    drained(queued)
    assert queued.sql("select max(attempts) from jobs") == [(0,)]
    before = len(queued.deleted())
    assert before
    queued.world.clear_script()
    queued.offset += timedelta(minutes=2)
    assert drained(queued).worked == 10
    assert len(queued.deleted()) == 10, "what was deleted is read, not deleted again"
    assert queued.states() == {"deleted": 10}


def test_the_calls_that_a_cancelled_job_did_not_need_are_given_back(queued):
    queued.overrides = {"requests_per_minute": 1}
    for wid in queued.world.chats(DEVICE):
        queued.world.change_chat(DEVICE, wid, status="active")
    queued.sql("update devices set tokens = 3, tokens_at = null")
    before = len(asked(queued))
    assert drained(queued).worked == 1
    assert asked(queued, before) == [("GET", "chat")]
    ((tokens,),) = queued.sql("select tokens from devices")
    assert 2 <= tokens < 3


def test_a_process_whose_first_answer_shows_that_the_clocks_are_apart_deletes_nothing(queued, monkeypatch):
    monkeypatch.setattr(drain, "PER_DEVICE", 4)  # the second drain has some to claim, too
    queued.world.script(faults.skewed(timedelta(days=3)))
    for _ in range(2):
        assert "apart" in drained(queued).stopped
    assert queued.deleted() == []
    assert queued.sql("select state, max(attempts), count(*) from jobs group by state") == [("queued", 0, 10)]
    queued.world.clear_script()
    queued.offset += timedelta(minutes=6)
    assert drained(queued).worked == 10


def test_a_chat_whose_read_always_fails_while_its_number_answers_fails_in_the_end_and_alone(rig):
    poison, plain = rig.chat(1), rig.chat(2)
    rig.apply(grace="1d")
    rig.run()
    rig.offset = timedelta(days=1, minutes=1)
    rig.world.script(faults.status(500, on=On(method="GET", route="chat", wid=poison, times=None)))
    for _ in range(4):
        drained(rig)
        rig.offset += timedelta(hours=1)
    assert rig.deleted() == [plain]
    assert rig.states() == {"deleted": 1, "failed": 1}
    assert rig.sql("select error_class, force from jobs where state = 'failed'") == [("unreadable", False)]
    assert rig.sql("select breaker_failures, breaker_until from devices") == [(0, None)]


def test_an_outage_costs_no_attempt_however_often_a_job_was_handed_back(queued):
    queued.sql("update jobs set fence = 100")
    before = len(asked(queued))
    queued.world.script(faults.status(503, on=EVERYTHING))
    assert drained(queued).worked == 0
    assert queued.sql("select state, max(attempts), count(*) from jobs group by state") == [("queued", 0, 10)]
    assert len(asked(queued, before)) < 20 + breakers.LIMIT, "nobody goes on asking"
