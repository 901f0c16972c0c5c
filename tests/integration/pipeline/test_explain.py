"""Explain knows what no clause says: holds that end, jobs of others, failures, data that is too old, a number given up."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from chat_hygiene import wiring
from chat_hygiene.core.states import JobState
from chat_hygiene.pipeline import explain
from chat_hygiene.store.tables import holds
from chat_hygiene.wiring import erasing, fates, stopping

DAY = timedelta(days=1)


@pytest.fixture
def told(rig):
    """The verdicts of the policies on the one chat there is, by policy."""
    wid = rig.chat(1)

    def ask():
        with rig.ledger() as ledger:
            (report,) = wiring.explain(ledger, wid, now=ledger.now())
        return {each.stored.policy.name: each for each in report.policies}

    return ask


def test_a_hold_that_ends_is_a_day_on_which_the_chat_becomes_eligible(rig, told):
    rig.apply(mode="observe")
    rig.sync()
    end = rig.now() + 3 * DAY
    with rig.ledger() as ledger, ledger.context.sessions.begin() as session:
        hold = {"scope": "label", "label": "x", "reason": "x", "held_by": "ana", "placed_at": rig.now()}
        session.execute(insert(holds).values(**hold))
        hold |= {"scope": "device", "label": None, "device_id": 1, "until": end}
        session.execute(insert(holds).values(**hold))
    verdict = told()["resolved-30d"]
    assert not verdict.matches
    assert verdict.eligible_at == end


def test_a_chat_that_another_policy_queued_stays_with_that_one(rig, told):
    second = """
  - name: quiet-30d
    schedule: "0 3 * * *"
    mode: enforce
    when: {inactive_for: 30d}
    delete: {from_whatsapp: true}
"""
    rig.apply(grace="7d", more=second)
    rig.run("resolved-30d")
    found = told()
    assert found["resolved-30d"].queued is not None
    assert found["resolved-30d"].stays is None
    assert found["quiet-30d"].queued is None
    assert found["quiet-30d"].stays == "queued by resolved-30d"


def test_a_chat_whose_deletion_failed_is_not_said_to_go(rig, told):
    rig.apply(grace="7d")
    rig.run()
    rig.sql("update jobs set state = :state, finished_at = queued_at", state=JobState.FAILED)
    found = told()["resolved-30d"]
    assert found.matches
    assert found.stays == "failed or came back in the last 7 days"


def test_a_job_that_a_worker_holds_has_no_place_in_the_queue(rig, told):
    rig.apply(grace="7d")
    rig.run()
    assert told()["resolved-30d"].queued.place is not None
    rig.sql("update jobs set state = 'leased'")
    assert told()["resolved-30d"].queued.place is None


def test_old_data_and_a_number_that_is_waited_for_no_longer_are_told(rig, told):
    rig.apply(mode="observe")
    rig.sync()
    assert told()["resolved-30d"].fresh
    rig.offset = DAY
    assert not told()["resolved-30d"].fresh
    assert not told()["resolved-30d"].given_up
    rig.apply(force="true, offline_grace: 12h")
    rig.sql("update devices set session_status = 'offline', last_full_sync_at = :now", now=_text(rig))
    found = told()["resolved-30d"]
    assert (found.fresh, found.given_up) == (True, True)


def test_a_chat_is_not_said_to_be_queued_by_a_run_that_would_not_queue_it(rig):
    wids = [rig.chat(number, quiet_days=60 + number) for number in range(3)]
    rig.apply(limits="{max_chats: 1000, max_share: 100%, canary: 1}", grace="7d")
    rig.sync()
    first = "the next run queues 1 chat of this version alone, silent for longest, and the others once that has ended well"
    assert [stays(rig, wid) for wid in wids] == [first, first, None], "the canary takes the oldest alone"
    with rig.ledger() as ledger:
        stopping.stop(ledger, reason="a check")
    assert stays(rig, wids[2]) == "all deleting is stopped"
    with rig.ledger() as ledger:
        stopping.start(ledger, reason=None)
    rig.run()
    rig.sql("delete from run_candidates")  # as if these two had come to match since
    assert stays(rig, wids[0]) == "the first chats of this version go alone, and have not ended yet"
    rig.apply(limits="{max_chats: 2, max_share: 100%, canary: off}", grace="7d")
    brake = "max_chats allows 2 chats a day on Support, and earlier runs of this day queued 1, and this one wants 2 more"
    assert stays(rig, wids[0]) == f"the next run awaits an approval: {brake}"
    with rig.ledger() as ledger:
        wiring.pause(ledger, ["resolved-30d"], because="a check", now=ledger.now())
        assert fate(ledger, wids[0]) == "matches (but this policy is paused)"


def test_a_chat_whose_erasure_was_asked_for_is_said_to_be_so(rig, told):
    rig.apply()
    rig.sync()
    with rig.ledger() as ledger:
        stopping.stop(ledger, reason="a check")
        erasing.request(ledger, erasing.find(ledger, "+447700900001"), because="asked", ticket="T-1")
        stopping.start(ledger, reason=None)
    assert told()["resolved-30d"].stays == "queued by an erasure request"


def stays(rig, wid):
    with rig.ledger() as ledger:
        (report,) = wiring.explain(ledger, wid, now=ledger.now())
    (verdict,) = report.policies
    return verdict.stays


def fate(ledger, wid):
    (report,) = wiring.explain(ledger, wid, now=ledger.now())
    return "".join(map(str, next(fates.of(report.policies[0], ledger.now()))))


def _text(rig):
    return rig.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_of_a_run_that_is_too_large_it_is_told_without_counting_all_of_it(rig, monkeypatch):
    monkeypatch.setattr(explain, "_COUNTED", 3)
    wids = [rig.chat(number, quiet_days=60 + number) for number in range(5)]
    rig.apply(limits="{max_chats: 1, max_share: 100%, canary: off}", grace="7d")
    rig.sync()
    brake = "max_chats allows 1 chat a day on Support, and this run wants at least 3"
    assert stays(rig, wids[0]) == f"the next run awaits an approval: {brake}"
    rig.apply(limits="{max_chats: 4, max_share: 100%, canary: off}", grace="7d")
    brake = "max_chats allows 4 chats a day on Support, and this run wants at least 5"
    assert stays(rig, wids[0]) == f"the next run awaits an approval: {brake}"
    rig.apply(limits="{max_chats: 5, max_share: 99%, canary: off}", grace="7d")
    assert stays(rig, wids[0]) is None, "the share is rounded up"
    rig.apply(limits="{max_chats: 5, max_share: 60%, canary: off}", grace="7d")
    brake = "max_share allows 3 (rounded up) of 5 chats a day on Support, and this run wants 5"
    assert stays(rig, wids[0]) == f"the next run awaits an approval: {brake}"
    rig.apply(limits="{max_chats: 5, max_share: 100%, canary: off}", grace="7d")
    assert stays(rig, wids[0]) is None
