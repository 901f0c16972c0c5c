"""Approval: a person lets the candidates of a run go that a brake or the canary stopped, or decides against them.

It is an evaluation restricted to those candidates, by the same version of the policy: it can only let fewer go.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, not_
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import SafetyStopError, UnreadablePolicyError, UsageError
from chat_hygiene.core.reasons import Reason
from chat_hygiene.pipeline import concluding, listed, rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.evaluation import FRESH, Dropped, Evaluation, Report
from chat_hygiene.store import approvals, policies, runs, switches, withheld
from chat_hygiene.store.approvals import Pending
from chat_hygiene.store.engine import reading
from chat_hygiene.store.withheld import BRAKE
from chat_policies import UnknownDeviceError

MOST_DAYS = 3660
"""Over how many days a backlog can be spread."""


@dataclass(frozen=True, slots=True)
class Look:
    """What approving a run would do now: how many of its candidates would be queued, and which would not."""

    run: Pending
    candidates: int
    dropped: tuple[Dropped, ...]

    @property
    def remaining(self) -> int:
        """Candidates that still match, on numbers with fresh data."""
        return self.candidates - len(self.dropped)


def look(context: Context, run_id: int, *, now: datetime) -> Look:
    """Looks only. Raises as `approve` does."""
    with reading(context.sessions) as session:
        run = _found(session, run_id)
        evaluation = _evaluation(context, session, run, now=now)
        candidates = withheld.count(session, run_id, by=BRAKE)
        dropped = listed.kept(evaluation, by=BRAKE)
    _not_all_stale(run, dropped, remaining=candidates - len(dropped))
    return Look(run, candidates, dropped)


def approve(
    context: Context, run_id: int, *, per_day: int | None, because: str | None, now: datetime
) -> Report:
    """Queues what still matches of the run's candidates: all at once, or so many a day, oldest first.

    Raises UsageError when there is no such run or it awaits no approval, and SafetyStopError when it can be approved no
    more or not now; nothing is changed then.
    """
    with context.sessions.begin() as session:
        policies.lock(session, _found(session, run_id).policy_id)
        run = _found(session, run_id)
        evaluation = _evaluation(context, session, run, now=now)
        candidates = withheld.count(session, run_id, by=BRAKE)
        digest = withheld.digest(session, run_id, by=BRAKE)
        if per_day is not None and candidates > per_day * MOST_DAYS:
            raise UsageError(
                f"{per_day} a day would take {candidates // per_day:,} days",
                fix=f"with --per-day {candidates // MOST_DAYS + 1} it is ten years",
            )
        cancelled = evaluation.cancel_stopped()
        report = replace(listed.queue(evaluation, by=BRAKE, per_day=per_day), cancelled=cancelled)
        _not_all_stale(run, report.dropped, remaining=report.queued)
        if report.deferred:
            stale = and_(evaluation.matches, not_(evaluation.fresh.holds()))
            withheld.mark_stale(session, run_id, stale)
        withheld.let_go(session, run_id, by=BRAKE)
        detail = {
            "awaited_for": run.reason,
            "candidates": candidates,
            "digest": digest,
            "queued": report.queued,
            "dropped": dict(Counter(each.clause for each in report.dropped)),
            "per_day": per_day,
        }
        approvals.approve(
            session,
            run,
            reason=Reason(report.reason),
            queued=report.queued,
            deferred=report.deferred,
            now=now,
            actor=context.actor,
            detail=detail if because is None else detail | {"because": because},
        )
        if report.queued:
            concluding.tell_queued(context, session, evaluation.stored, report, now=now)
        return report


def reject(context: Context, run_id: int, *, because: str, now: datetime) -> None:
    """None of the run's candidates goes by it; a later run judges them anew. Raises UsageError and SafetyStopError."""
    with context.sessions.begin() as session:
        policies.lock(session, _found(session, run_id).policy_id)
        run = _found(session, run_id)
        _awaits(run)
        approvals.reject(session, run, because=because, now=now, actor=context.actor)


def expire(context: Context, *, now: datetime) -> int:
    """Ends the runs that nobody decided about in time; returns how many."""
    with reading(context.sessions) as session:
        overdue = approvals.overdue(session, now=now)
    expired = 0
    for each in overdue:
        with context.sessions.begin() as session:
            # One whose policy is being evaluated or changed right now is the next tick's.
            if not policies.try_lock(session, each.policy_id):
                continue
            run = _found(session, each.id)
            if run.state == runs.AWAITING:
                approvals.expire(session, run, now=now, actor=context.actor)
                expired += 1
    return expired


def _found(session: Session, run_id: int) -> Pending:
    run = approvals.look(session, run_id)
    if run is None:
        raise UsageError(f"there is no run {run_id}", fix="chat-hygiene runs list shows them")
    return run


def _awaits(run: Pending) -> None:
    if run.state == runs.AWAITING:
        return
    look = f"chat-hygiene runs list --awaiting shows what waits; chat-hygiene run {run.policy} looks anew"
    if run.state == "superseded":
        raise SafetyStopError(
            f"run {run.id} is superseded: its policy was run again or changed since", fix=look
        )
    if run.state == "expired" and run.expires_at is not None:
        raise SafetyStopError(f"run {run.id} has expired: nobody approved it in time", fix=look)
    by = f" by {run.approved_by}" if run.approved_by else ""
    ended = "approved" if run.approved_by else run.state
    raise UsageError(f"run {run.id} awaits no approval: it is {ended}{by}", fix=look)


def _evaluation(context: Context, session: Session, run: Pending, *, now: datetime) -> Evaluation:
    """The run's policy at this instant. Raises when the run may not be approved."""
    _awaits(run)
    again = f"nothing was changed; chat-hygiene run {run.policy} looks anew"
    if run.expires_at is not None and run.expires_at <= now:
        raise SafetyStopError(
            f"run {run.id} could be approved until {run.expires_at:%Y-%m-%d %H:%M} UTC", fix=again
        )
    try:
        stored = policies.load_by_id(session, run.policy_id)
        compiled = rules.clauses(session, stored.policy, context.settings, now=now)
    except UnreadablePolicyError as error:
        raise SafetyStopError(str(error), fix=error.fix) from None
    except UnknownDeviceError as error:
        raise SafetyStopError(str(error), fix="nothing was changed; correct the policy, or sync") from None
    if stored.version != run.version:
        changed = f"{run.policy} has changed: run {run.id} is of version {run.version}, and {stored.version} is in force"
        raise SafetyStopError(changed, fix=again)
    if not stored.enforces:
        state = "paused" if stored.state == "paused" else "not in force"
        fix = f"nothing was changed; chat-hygiene policy resume {run.policy}, then approve"
        raise SafetyStopError(f"{run.policy} is {state}", fix=fix if state == "paused" else again)
    if (stop := switches.stopped(session)) is not None:
        raise SafetyStopError(
            f"{stop.actor} has stopped all deleting",
            fix="nothing was changed; chat-hygiene start, then approve",
        )
    return Evaluation(context, session, stored, run.id, compiled, now)


def _not_all_stale(run: Pending, dropped: tuple[Dropped, ...], *, remaining: int) -> None:
    stale = sum(each.clause == FRESH for each in dropped)
    if stale and not remaining:
        raise SafetyStopError(
            f"the data of the numbers with what is left of run {run.id} is too old to delete by",
            fix="nothing was changed, the run goes on waiting; chat-hygiene sync, then approve",
        )
