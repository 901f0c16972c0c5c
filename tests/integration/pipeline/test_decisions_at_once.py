"""An approval beside another, beside a plan, beside a new run: one wins, and no chat is queued twice."""

from chat_hygiene.core.errors import SafetyStopError, UsageError
from chat_hygiene.pipeline import evaluate
from integration.pipeline.deciding import Listed, approve, at_once, queued, waiting, withheld
from support.timetable import HOUR


def test_two_approvals_at_once_are_one(table):
    run_id = waiting(table, 30)
    ended = at_once(*[lambda: approve(table, run_id)] * 4)
    reports = [each for each in ended if not isinstance(each, Exception)]
    assert [each.queued for each in reports] == [30], ended
    assert all(isinstance(each, UsageError) for each in ended if each not in reports), ended
    assert len(queued(table)) == 30
    assert len(table.events("run.approved")) == 1


def test_an_approval_and_a_new_run_at_once_queue_each_chat_once(table):
    run_id = waiting(table, 30)
    now = table.now + HOUR

    def again():
        with table.context() as context:
            return evaluate.run(context, "old", trigger="manual", slot=now, now=now)

    approved, ran = at_once(lambda: approve(table, run_id), again)
    if isinstance(approved, SafetyStopError):
        assert "superseded" in str(approved)
        assert (ran.state, queued(table)) == ("awaiting_approval", [])
    else:
        assert (approved.queued, ran.reason) == (30, "already queued")
        assert len(queued(table)) == 30


def test_an_approval_a_plan_and_a_run_of_one_policy_never_queue_a_chat_twice(table):
    run_id = waiting(table, 20)
    now = table.now + HOUR

    def plan():
        only = [Listed(f"chat_{number}") for number in range(10)]
        with table.context() as context:
            return evaluate.run(context, "old", trigger="plan", slot=now, now=now, only=only)

    def again():
        later = now + HOUR
        with table.context() as context:
            return evaluate.run(context, "old", trigger="manual", slot=later, now=now)

    ended = at_once(lambda: approve(table, run_id), plan, again)
    assert all(not isinstance(each, Exception) or isinstance(each, SafetyStopError) for each in ended), ended
    refs = queued(table)
    assert len(refs) == len(set(refs)) in {10, 20}
    assert not set(refs) & set(withheld(table))
