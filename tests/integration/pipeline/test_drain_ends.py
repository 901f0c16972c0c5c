"""A drain ends when its time is over or when it is told to, and says whether work is left."""

from datetime import timedelta

import pytest

from chat_hygiene.pipeline import drain, outlook
from chat_hygiene.providers.fake import faults
from chat_hygiene.store import jobs
from integration.pipeline.conftest import drained


@pytest.fixture
def queued(rig):
    """Twenty chats that leave now; their jobs are queued and nothing was deleted."""
    for number in range(20):
        rig.chat(number)
    rig.apply(grace="1d")
    rig.run()
    rig.offset = timedelta(days=1, minutes=1)
    return rig


def test_after_its_time_a_drain_claims_nothing_and_says_that_work_is_left(queued):
    assert drained(queued, until=queued.now()) == drain.Report(0, more=True)
    assert queued.deleted() == []
    assert queued.sql("select count(*) from audit_events where kind = 'job.claimed'") == [(0,)]


def test_a_drain_that_is_told_to_stop_finishes_what_is_in_flight(queued):
    report = drained(queued, stop=lambda: bool(queued.world.seen(method="DELETE")))
    assert 0 < report.worked < 20
    assert report.more
    assert queued.states() == {"deleted": report.worked, "queued": 20 - report.worked}, "none stays leased"


def test_a_drain_that_waits_for_its_budget_notices_a_stop(queued):
    queued.overrides = {"requests_per_minute": 1}
    report = drained(
        queued, horizon=timedelta(minutes=1), stop=lambda: queued.states() == {"deleted": 1, "queued": 19}
    )
    assert report == drain.Report(1, more=True)


def test_what_is_claimed_while_the_stop_comes_is_worked_and_not_left_leased(queued, monkeypatch):
    claim, over = jobs.claim_all, []

    def claims(*args, **kwargs):
        over.append(True)
        return claim(*args, **kwargs)

    monkeypatch.setattr("chat_hygiene.store.jobs.claim_all", claims)
    assert drained(queued, stop=lambda: bool(over)) == drain.Report(drain.PER_DEVICE, more=True)
    assert queued.states() == {"deleted": drain.PER_DEVICE, "queued": 20 - drain.PER_DEVICE}


def test_a_drain_that_ran_dry_leaves_nothing(queued):
    assert drained(queued, until=queued.now() + timedelta(minutes=5)) == drain.Report(20)


def test_a_drain_looks_again_before_its_connections_stand_idle_however_long_it_meant_to_rest(
    queued, monkeypatch
):
    look, seen = outlook.look, []

    def looks(*args, **kwargs):
        seen.append(queued.states())
        return look(*args, **kwargs)

    monkeypatch.setattr("chat_hygiene.pipeline.outlook.look", looks)
    monkeypatch.setattr(drain, "REST", 1_000_000)
    monkeypatch.setattr(drain, "STOP_LOOK", 30)
    queued.world.script(faults.delay(0.1))
    assert drained(queued) == drain.Report(20)
    assert "queued" in seen[1]
    assert {"leased", "sent"} & seen[1].keys(), "some of the first jobs were still in flight"
