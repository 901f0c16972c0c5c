"""A run that awaits approval: what a person lets go is exactly its candidates, and of those only what still may."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from chat_hygiene.core.errors import SafetyStopError, UsageError
from chat_hygiene.core.reasons import Reason
from chat_hygiene.pipeline import approval
from chat_hygiene.store.tables import chats, devices, holds, jobs, policies, policy_runs, run_candidates
from integration.pipeline.deciding import (
    NONE,
    Listed,
    approve,
    end_jobs,
    message,
    queued,
    run,
    stop,
    waiting,
    withheld,
)
from support.timetable import DAY


def refused(table, run_id: int, error: type[Exception], **words) -> str:
    """Approving is refused, and changes nothing; what was said."""
    before = table.sql(select(policy_runs)), table.sql(select(jobs.c.id)), withheld(table)
    with pytest.raises(error) as caught:
        approve(table, run_id, **words)
    assert (table.sql(select(policy_runs)), table.sql(select(jobs.c.id)), withheld(table)) == before
    return f"{caught.value}; {caught.value.fix}"


def test_an_approval_concludes_the_same_run_and_says_who_and_what(table):
    run_id = waiting(table, 3, grace="2d")
    table.now += DAY
    table.synced()
    report = approve(table, run_id, because="the first clean-up")
    assert (report.queued, report.reason, report.dropped) == (3, "queued", ())
    assert queued(table) == ["chat_0", "chat_1", "chat_2"]
    assert withheld(table) == {}
    row = table.sql(
        select(policy_runs.c.state, policy_runs.c.approved_by, policy_runs.c.queued, policy_runs.c.matched)
    )
    assert row == [("done", "tester", 3, 3)]
    assert table.sql(select(jobs.c.run_id, jobs.c.not_before).distinct()) == [(run_id, table.now + 2 * DAY)]
    ((_, told),) = table.events("run.approved")
    told = json.loads(told)
    assert (told["candidates"], told["queued"], told["dropped"], told["because"]) == (
        3,
        3,
        {},
        "the first clean-up",
    )
    ((_, awaited),) = table.events("run.awaiting_approval")
    assert told["digest"] == json.loads(awaited)["digest"], "it was bound to another list"
    assert len(table.events("jobs.queued")) == 1


def test_an_approved_list_that_drifted_only_loses_and_names_each_with_its_reason(table):
    run_id = waiting(table, 8)
    message(table, 0)
    table.sql(update(chats).where(chats.c.chat_ref == "chat_1").values(pinned=True))
    hold = {"scope": "chat", "reason": "case 7", "held_by": "dpo", "placed_at": table.now}
    table.sql(insert(holds).values(chat_ref="chat_2", **hold))
    table.sql(update(chats).where(chats.c.chat_ref == "chat_3").values(generation=2))
    table.sql(update(chats).where(chats.c.chat_ref == "chat_4").values(missing_since=table.now))
    old = table.number("d2", last_full_sync_at=table.now - DAY)
    table.sql(update(chats).where(chats.c.chat_ref == "chat_5").values(device_id=old))
    for number in (20, 21):
        table.chat(number)
    with table.context() as context:
        look = approval.look(context, run_id, now=table.now)
    assert (look.candidates, look.remaining) == (8, 2)
    report = approve(table, run_id)
    assert queued(table) == ["chat_6", "chat_7"], "something went that nobody saw, or that matches no more"
    clauses = {each.chat_ref: each.clause for each in report.dropped}
    assert clauses == {
        "chat_0": "scope.age_floor",
        "chat_1": "scope.pinned",
        "chat_2": "hold",
        "chat_3": "generation",
        "chat_4": "scope.missing",
        "chat_5": "fresh",
    }
    assert look.dropped == report.dropped, "what was shown before is not what happened"
    assert {ref: by for ref, (by, _) in withheld(table).items()} == {"chat_5": "stale"}
    ((_, told),) = table.events("run.approved")
    assert json.loads(told)["dropped"] == dict.fromkeys(clauses.values(), 1)


def test_a_candidate_that_another_policy_queued_meanwhile_gets_no_second_job(table):
    run_id = waiting(table, 1)
    table.policy("other")
    assert run(table, "other").queued == 1
    report = approve(table, run_id)
    assert (report.queued, [each.clause for each in report.dropped]) == (0, ["job"])
    assert len(queued(table)) == 1


def test_a_backlog_is_worked_off_over_days_the_oldest_first(table):
    run_id = waiting(table, 7, grace="1d")
    approve(table, run_id, per_day=3)
    leaves = dict(table.sql(select(jobs.c.chat_ref, jobs.c.not_before)))
    days = {ref: (at - table.now).days for ref, at in leaves.items()}
    assert days == {"chat_6": 1, "chat_5": 1, "chat_4": 1, "chat_3": 2, "chat_2": 2, "chat_1": 2, "chat_0": 3}
    assert table.sql(select(jobs.c.id).where(jobs.c.next_attempt_at != jobs.c.not_before)) == []


def test_a_backlog_that_would_take_for_ever_is_refused(table):
    run_id = waiting(table, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approval, "MOST_DAYS", 2)
        assert "--per-day 2" in refused(table, run_id, UsageError, per_day=1)


def test_a_run_that_is_approved_too_late_deletes_nothing(table):
    run_id = waiting(table, 2)
    table.now += timedelta(days=7)
    table.synced()
    said = refused(table, run_id, SafetyStopError)
    assert "could be approved until 2026-05-11" in said
    assert "chat-hygiene run old" in said, "nobody is told what to do"
    table.tick()
    assert table.sql(select(policy_runs.c.state, policy_runs.c.reason).where(policy_runs.c.id == run_id)) == [
        ("expired", Reason.EXPIRED)
    ]
    assert len(table.events("run.expired")) == 1
    assert "has expired" in refused(table, run_id, SafetyStopError)
    assert len(withheld(table)) == 2, "what should be gone and is not, is still seen"
    table.tick()
    assert len(table.events("run.expired")) == 1


def test_a_policy_that_changed_since_its_run_needs_another_one(table):
    run_id = waiting(table, 2)
    table.policy(limits=NONE, when="{inactive_for: 31d}")
    assert "changed since" in refused(table, run_id, SafetyStopError)
    table.sql(update(policy_runs).values(state="awaiting_approval"))
    assert "run 1 is of version 1, and 2 is in force" in refused(table, run_id, SafetyStopError)


@pytest.mark.parametrize("state", ["paused", "retired"])
def test_a_policy_that_is_not_in_force_lets_nothing_go(table, state):
    run_id = waiting(table, 1)
    table.sql(update(policies).values(state=state))
    assert "paused" in refused(table, run_id, SafetyStopError) or state == "retired"


def test_stopped_means_stopped_for_approvals_too(table):
    run_id = waiting(table, 1)
    stop(table)
    assert "ops has stopped all deleting" in refused(table, run_id, SafetyStopError)
    stop(table, on=False)
    assert approve(table, run_id).queued == 1


def test_an_approval_waits_for_fresh_data_when_nothing_else_is_left(table):
    run_id = waiting(table, 3)
    message(table, 0)
    table.now += DAY
    assert "chat-hygiene sync, then approve" in refused(table, run_id, SafetyStopError)
    table.synced()
    assert approve(table, run_id).queued == 2


def test_a_policy_that_names_a_number_which_is_gone_lets_nothing_go(table):
    run_id = waiting(table, 1, devices="[d1]")
    table.sql(update(devices).values(device="d2"))
    assert "d1" in refused(table, run_id, SafetyStopError)


def test_a_decision_is_made_once(table):
    run_id = waiting(table, 2)
    approve(table, run_id)
    assert "it is approved by tester" in refused(table, run_id, UsageError)
    assert "there is no run 99" in refused(table, 99, UsageError)
    done = run(table).run_id
    assert "awaits no approval: it is done" in refused(table, done, UsageError)


def test_a_rejected_run_deletes_nothing_and_a_later_one_asks_again(table):
    run_id = waiting(table, 2)
    with table.context() as context:
        approval.reject(context, run_id, because="not this week", now=table.now)
    assert table.runs()[0][1:] == ("rejected", "rejected")
    ((_, told),) = table.events("run.rejected")
    assert json.loads(told) == {"because": "not this week"}
    assert "rejected" in refused(table, run_id, UsageError)
    assert len(withheld(table)) == 2
    assert run(table).state == "awaiting_approval"


def test_a_plan_queues_only_what_is_in_it_and_still_matches(table):
    table.policy(limits=NONE)
    table.number()
    for number in range(4):
        table.chat(number)
    awaiting = run(table).run_id
    message(table, 1)
    wanted = [Listed("chat_0"), Listed("chat_1"), Listed("chat_2", generation=2), Listed("chat_9")]
    report = run(table, only=wanted)
    assert (report.queued, report.state) == (1, "done")
    assert queued(table) == ["chat_0"]
    clauses = {each.chat_ref: each.clause for each in report.dropped}
    assert clauses == {"chat_1": "scope.age_floor", "chat_2": "generation", "chat_9": "gone"}
    assert table.sql(
        select(policy_runs.c.trigger, policy_runs.c.approved_by).where(policy_runs.c.id == report.run_id)
    ) == [("plan", "tester")]
    assert set(withheld(table)) == {"chat_1", "chat_2", "chat_3"}, (
        "what a plan queued is not withheld any more"
    )
    assert approve(table, awaiting).queued == 2


def test_a_plan_of_another_version_changes_nothing(table):
    table.policy()
    table.number()
    table.chat(1)
    with pytest.raises(SafetyStopError, match="version 1 by now, not 2"):
        run(table, only=[Listed("chat_1")], version=2)
    assert table.sql(select(policy_runs.c.id)) == []


def test_the_canary_of_an_approved_version_is_not_asked_again(table):
    run_id = waiting(table, 2, limits="{max_chats: 1, max_share: 100%, canary: 1}")
    approve(table, run_id)
    end_jobs(table, "failed")
    table.chat(9)
    table.now += DAY
    table.synced()
    assert (run(table).queued, queued(table)) == (1, ["chat_9"])


def test_what_failed_since_is_not_tried_again_by_an_approval(table):
    run_id = waiting(table, 2)
    assert run(table, only=[Listed("chat_0")]).queued == 1
    end_jobs(table, "failed")
    put_down = {"run_id": run_id, "withheld_by": "brake", "matched_at": table.now, "not_before": table.now}
    table.sql(insert(run_candidates).values(chat_id=1, generation=1, **put_down))
    report = approve(table, run_id)
    assert [(each.chat_ref, each.clause) for each in report.dropped] == [("chat_0", "job")]
    assert queued(table) == ["chat_1"]
