"""The stop switch: what it lets finish, what it keeps from going out, and until when."""

from datetime import timedelta

import pytest

from chat_hygiene.core.errors import UsageError
from chat_hygiene.pipeline import drain
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.wiring import stopping
from integration.pipeline.conftest import drained

CHATS = 30


def stop(rig, reason="a check"):
    with rig.ledger() as ledger:
        return stopping.stop(ledger, reason=reason)


def start(rig, reason=None):
    with rig.ledger() as ledger:
        return stopping.start(ledger, reason=reason)


def queued(rig, chats=CHATS) -> None:
    for number in range(chats):
        rig.chat(number)
    rig.apply()
    rig.overrides["read_only"] = True
    rig.run()
    del rig.overrides["read_only"]


def kinds(rig, *wanted) -> list[str]:
    return [kind for (kind,) in rig.sql("select kind from audit_events order by seq") if kind in wanted]


def test_a_stop_lets_the_calls_finish_that_are_out_and_no_other_begin(rig):
    queued(rig)
    rig.world.script(faults.before(lambda: stop(rig), on=On(method="DELETE")))
    report = drained(rig)
    assert report.stopped.startswith("stopped by tester since ")
    events = kinds(rig, "job.intent", "job.claimed", "stopped")
    assert "job.intent" not in events[events.index("stopped") :]
    assert 1 <= len(rig.deleted()) <= drain.PER_DEVICE
    done = len(rig.deleted())
    assert rig.states() == {"deleted": done, "queued": CHATS - done}, (
        "what was out is finished, the rest waits"
    )


def test_nothing_is_claimed_while_it_is_stopped_however_often_a_worker_starts(rig):
    queued(rig, 3)
    stop(rig)
    for _ in range(3):
        assert drained(rig).worked == 0
    assert kinds(rig, "job.claimed") == []
    assert rig.states() == {"queued": 3}


def test_a_run_while_it_is_stopped_says_so_and_queues_nothing(rig):
    rig.chat(1)
    rig.apply()
    stop(rig)
    report = rig.run()
    assert report.evaluated[0].reason == "stopped"
    assert report.drained.stopped.endswith("UTC: a check")
    assert rig.states() == {}
    start(rig)
    assert rig.run().outcomes == {"deleted": 1}


def test_the_first_stop_stands_and_a_second_one_is_told_of_it(rig):
    first, new = stop(rig)
    assert new
    rig.offset += timedelta(hours=1)
    assert stop(rig, "another") == (first, False)
    assert kinds(rig, "stopped", "started") == ["stopped"]
    assert start(rig, "checked") == first
    assert start(rig) is None
    assert kinds(rig, "stopped", "started") == ["stopped", "started"]
    details = rig.sql("select detail from audit_events where kind in ('stopped', 'started') order by seq")
    assert details == [('{"because":"a check"}',), ('{"because":"checked"}',)]
    assert rig.verified()


def test_what_is_due_at_once_is_counted_before_it_starts_again(rig):
    queued(rig, 2)
    rig.apply(grace="7d")
    rig.chat(8)
    stop(rig)
    with rig.ledger() as ledger:
        assert stopping.due(ledger) == 0, "the longer grace holds for what was queued before"
    rig.offset += timedelta(days=7)
    with rig.ledger() as ledger:
        assert stopping.due(ledger) == 2


@pytest.mark.parametrize("reason", ["", "+44 7700 900001 complained"])
def test_it_needs_a_reason_that_the_audit_may_keep(rig, reason):
    with pytest.raises(UsageError, match="reason"):
        stop(rig, reason)
    with rig.ledger() as ledger:
        assert stopping.stopped(ledger) is None
