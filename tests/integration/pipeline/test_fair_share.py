"""Many devices, many drains: nobody waits for another's backlog, and no work is done twice."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chat_hygiene.providers.fake.records import device_record
from integration.pipeline.conftest import drained

OTHERS = [f"5f0c1d2e3a4b5c6d7e8f9b{number:02d}" for number in range(19)]
BACKLOG = 40


@pytest.fixture
def twenty(rig):
    """Twenty numbers: one with a backlog, the others with three chats each; all leave now."""
    for number, device in enumerate(OTHERS):
        rig.world.add_device(device_record(device, alias=f"Number {number}"))
        for chat in range(3):
            rig.chat(100 + 10 * number + chat, device=device)
    for chat in range(BACKLOG):
        rig.chat(chat)
    rig.apply(grace="1d")
    rig.run()
    rig.offset = timedelta(days=1, minutes=1)
    return rig


def test_no_device_waits_because_another_has_a_backlog(twenty):
    # Ten calls at once and one a second: enough for three chats now, and for a backlog in minutes.
    twenty.overrides = {"requests_per_minute": 60}
    twenty.sql("update devices set tokens_at = null")

    def others_are_done() -> bool:
        done = Counter(seen.call.device for seen in twenty.world.seen(method="DELETE"))
        return all(done[device] == 3 for device in OTHERS)

    report = drained(twenty, horizon=timedelta(minutes=1), stop=others_are_done)
    assert others_are_done()
    assert report.more, "the others were done while the backlog was still going"
    assert 0 < twenty.states()["queued"] < BACKLOG


def test_drains_at_once_share_the_work_and_do_none_of_it_twice(twenty):
    # Longer than any hiccup of the machine: whose lease ends while it waits is worked by another, too.
    twenty.overrides = {"lease_seconds": 600}
    with ThreadPoolExecutor(3) as pool:
        reports = [each.result() for each in [pool.submit(drained, twenty) for _ in range(3)]]
    chats = BACKLOG + 3 * len(OTHERS)
    # A call that a busy machine answers too late is read again: more visits, never more DELETEs.
    assert sum(report.worked for report in reports) >= chats
    assert twenty.states() == {"deleted": chats}
    assert Counter(twenty.deleted()).most_common(1)[0][1] == 1
    assert twenty.sql("select count(*) from audit_events where kind = 'job.deleted'") == [(chats,)]
