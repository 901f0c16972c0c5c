"""What becomes of a policy's queue when the policy changes: at once, in the transaction that stores the change."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from chat_hygiene import wiring
from chat_hygiene.core.errors import UsageError
from chat_hygiene.pipeline import changes, evaluate
from chat_hygiene.store.tables import jobs, policies
from integration.pipeline.changing import (
    KEEP,
    apply,
    cancelled,
    documents,
    due,
    old,
    states,
    three_queued,
    turn,
)
from support.timetable import DAY, HOUR


@pytest.fixture
def queued(table):
    return three_queued(table)


def test_what_an_edit_no_longer_names_leaves_the_list_and_the_rest_keeps_its_place(queued):
    queued.policy(grace="10d", when="{inactive_for: 80d}")
    assert states(queued) == ["cancelled", "cancelled", "queued"]
    assert cancelled(queued) == ["when.inactive_for"] * 2
    assert due(queued)[2] == (10, 10)


def test_a_longer_grace_counts_from_the_match_and_a_shorter_one_brings_nothing_forward(queued):
    queued.now += DAY
    queued.policy(grace="14d")
    assert due(queued) == [(13, 13)] * 3
    queued.policy(grace="2d")
    assert due(queued) == [(13, 13)] * 3


def test_a_longer_grace_does_not_bring_a_retry_forward(queued):
    later = queued.now + 20 * DAY
    queued.sql(update(jobs).where(jobs.c.id == 1).values(next_attempt_at=later, attempts=1))
    queued.policy(grace="14d")
    assert due(queued) == [(14, 20), (14, 14), (14, 14)]


def test_a_job_with_its_call_out_is_still_looked_at_soon(queued):
    soon = queued.now + HOUR
    queued.sql(update(jobs).where(jobs.c.id == 1).values(next_attempt_at=soon, intent="whatsapp"))
    queued.policy(grace="14d")
    assert due(queued)[0] == (14, HOUR / DAY), "its outcome is read soon, and no second call goes before"
    queued.policy(grace="14d", when="{inactive_for: 300d}")
    assert states(queued) == ["queued", "cancelled", "cancelled"]
    queued.policy(mode="observe")
    assert states(queued)[0] == "queued", "a call that is out has an outcome to be read"


def test_going_back_to_observe_empties_the_queue_at_once(queued):
    queued.policy(mode="observe")
    assert states(queued) == ["cancelled"] * 3
    assert cancelled(queued) == ["policy.observes"] * 3


def test_a_policy_that_a_file_lacks_stays_unless_it_is_pruned_and_then_its_queue_is_empty(queued):
    apply(queued, documents(KEEP))
    assert states(queued) == ["queued"] * 3
    ((change, version),) = apply(queued, documents(KEEP), prune=True, because="no longer wanted")
    assert (change.policy.name, change.what, version) == ("old", "retired", None)
    assert states(queued) == ["cancelled"] * 3
    assert cancelled(queued) == ["policy.retired"] * 3
    ((_, detail),) = queued.events("policy.retired")
    assert json.loads(detail) == {"because": "no longer wanted"}
    assert queued.sql("select state, next_run_at from policies where name = 'old'") == [("retired", None)]


def test_a_retired_name_comes_back_with_its_next_version(queued):
    apply(queued, documents(KEEP), prune=True)
    queued.policy()
    assert queued.sql("select state, version from policies where name = 'old'") == [("active", 2)]


def test_a_keep_policy_takes_what_it_keeps_off_every_list_at_once(queued):
    queued.sql("update chats set labels = :vip where id = 2", vip='["vip"]')
    apply(queued, documents(KEEP))
    assert states(queued) == ["queued", "cancelled", "queued"]
    assert cancelled(queued) == ["keep.keep-vip"]


@pytest.mark.parametrize("how", ["edit", "retire"])
def test_an_approval_of_an_older_version_is_no_longer_to_be_had(table, how):
    table.number()
    table.chat(1)
    table.policy(limits="{max_chats: 0}")
    table.evaluate(table.due_run())
    assert table.runs()[-1][1] == "awaiting_approval"
    if how == "edit":
        table.policy(limits="{max_chats: 0}", when="{inactive_for: 31d}")
    else:
        apply(table, documents(KEEP), prune=True)
        assert table.sql("select * from run_candidates") == [], "a retired policy withholds nothing"
    assert table.runs()[-1][1] == "superseded"


def test_a_pause_freezes_the_queue_and_resuming_it_records_the_slots_that_passed(queued):
    before = due(queued)
    assert turn(queued, "pause") == ["old"]
    assert turn(queued, "pause") == [], "paused already, and said so"
    assert (states(queued), due(queued)) == (["queued"] * 3, before)
    queued.now += 2 * DAY + HOUR
    assert queued.tick().runs == (), "nothing runs while it is paused"
    assert turn(queued, "resume") == ["old"]
    assert [each for each in queued.runs() if each[2] == "paused"] == [
        ("05 03:00", "expired", "paused"),
        ("06 03:00", "expired", "paused"),
    ]
    assert queued.tick().runs == (), "what passed is not made up for"
    ((_, detail),) = queued.events("policy.paused")
    assert json.loads(detail) == {"because": "the audit asked"}
    assert len(queued.events("policy.resumed")) == 1
    assert queued.due_run() is not None


def test_the_queue_of_a_paused_policy_waits_and_is_told_apart(queued):
    queued.now += 11 * DAY
    queued.synced()
    assert queued.tick().drain
    turn(queued, "pause")
    assert not queued.tick().drain, "there is nothing to wake a drain for"
    queued.sql(update(jobs).where(jobs.c.id == 1).values(intent="whatsapp"))
    assert queued.tick().drain, "the outcome of a call that is out is read all the same"


def test_a_run_of_a_paused_policy_says_so_and_takes_nothing_off_the_list(queued):
    turn(queued, "pause")
    queued.now += HOUR
    with queued.context() as context:
        report = evaluate.run(context, "old", trigger="manual", slot=queued.now, now=queued.now)
    assert (report.reason, report.safety_stop) == ("paused", True)
    assert states(queued) == ["queued"] * 3


def test_an_edit_of_a_paused_policy_is_stored_and_it_stays_paused(queued):
    turn(queued, "pause")
    queued.policy(grace="10d", when="{inactive_for: 80d}")
    assert queued.sql("select state, version from policies") == [("paused", 2)]
    assert states(queued) == ["cancelled", "cancelled", "queued"]


def test_a_keep_policy_cannot_be_paused_and_nothing_else_is_then(queued):
    apply(queued, documents(KEEP))
    with pytest.raises(UsageError, match="keep-vip keeps chats"):
        turn(queued, "pause", "old", "keep-vip")
    with pytest.raises(UsageError, match="no policy is named nobody"):
        turn(queued, "pause", "old", "nobody")
    assert queued.sql("select distinct state from policies") == [("active",)]


def test_how_soon_a_paused_queue_leaves_is_known_before_it_is_resumed(queued):
    turn(queued, "pause")
    queued.sql(update(jobs).where(jobs.c.id == 1).values(not_before=queued.now))
    queued.sql(update(jobs).where(jobs.c.id == 2).values(not_before=queued.now + HOUR))
    with queued.context() as context:
        ((thaw),) = wiring.thaw(wiring.Ledger(context), ["old"], now=queued.now)
    assert (thaw.leaving.now, thaw.leaving.soon, thaw.leaving.later) == (1, 1, 1)
    assert thaw.leaving.first_at == queued.now


def test_a_change_that_fails_half_way_changes_nothing(queued, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("half way")

    monkeypatch.setattr(changes.queues, "postpone", fails)
    with pytest.raises(RuntimeError):
        queued.policy(when="{inactive_for: 80d}")
    assert states(queued) == ["queued"] * 3
    assert queued.sql("select version from policies") == [(1,)]


def test_the_history_tells_who_did_what_when_and_why(queued):
    apply(queued, documents(old("80d")), because="the auditor asked")
    turn(queued, "pause")
    queued.now += HOUR
    apply(queued, documents(KEEP), prune=True, because="over")
    with queued.context() as context:
        told = wiring.history(wiring.Ledger(context), "old")
    assert [(each.what, each.version, each.because) for each in told] == [
        ("retired", 2, "over"),
        ("paused", 2, "the audit asked"),
        ("changed", 2, "the auditor asked"),
        ("created", 1, None),
    ]
    assert {each.by for each in told} == {"tester"}
    assert told[0].at - told[1].at == timedelta(hours=1)
    with queued.context() as context, pytest.raises(UsageError):
        wiring.history(wiring.Ledger(context), "nobody")


def test_a_reason_that_holds_a_number_is_refused_and_nothing_is_stored(queued):
    with pytest.raises(UsageError, match="phone number"):
        apply(queued, documents(old("80d")), because="for +34 600 111 222")
    assert queued.sql(select(policies.c.version)) == [(1,)]


def test_a_paused_policy_has_no_next_run_and_its_failures_are_not_retried(queued):
    queued.sql("update jobs set state = 'failed' where id = 1")
    turn(queued, "pause")
    assert queued.sql("select state, next_run_at from report_v1_policies") == [("paused", None)]
    with queued.context() as context, pytest.raises(UsageError, match="old is paused"):
        wiring.retry_jobs(wiring.Ledger(context), [1])
