"""Changes of policies: a new version, a pause, a resumption, a retirement, each with what becomes of the queue.

Everything of one change is one transaction of the caller's, and no gate decides before it commits. What the new version
no longer names leaves the list at once; what it still names leaves no sooner than it would have. A paused policy's queue
stands still, and is not touched.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from chat_hygiene.core.errors import UnreadablePolicyError
from chat_hygiene.core.events import Event
from chat_hygiene.core.reasons import Reason
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.slots import came_due
from chat_hygiene.store import (
    audit,
    candidates,
    moves,
    policies,
    queues,
    runs,
    switches,
    versions,
    withheld,
)
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.runs import Skipped
from chat_hygiene.store.versions import Change, Head
from chat_policies import UnknownDeviceError, next_fire


def store(
    context: Context, session: Session, change: Change, *, now: datetime, because: str | None = None
) -> int:
    """Stores a new or changed policy as its next version and settles the queues that it judges; returns the version."""
    policy_id, version = versions.store(session, change, now=now, actor=context.actor, because=because)
    _let_no_approval_stand(context, session, policy_id, change.policy.name, now=now)
    _settle(context, session, policies.load_by_id(session, policy_id), now=now)
    if "keep" in {change.policy.action, change.before.action if change.before else None}:
        _settle_all(context, session, but=policy_id, now=now)
    return version


def retire(
    context: Context, session: Session, head: Head, *, now: datetime, because: str | None = None
) -> None:
    """Nothing happens by this policy any more, until a file names it again; its versions and its runs stay."""
    versions.turn(
        session,
        head,
        Event.POLICY_RETIRED,
        next_run_at=None,
        now=now,
        actor=context.actor,
        because=because,
    )
    _let_no_approval_stand(context, session, head.id, head.name, now=now)
    _empty(context, session, head.id, "policy.retired", now=now)


def pause(context: Context, session: Session, head: Head, *, now: datetime, because: str) -> None:
    """Nothing is queued or deleted by this policy until it is resumed; what is queued stands still as it is."""
    # Its next slot stays, so that the resumption knows which ones were not run.
    versions.turn(
        session,
        head,
        Event.POLICY_PAUSED,
        next_run_at=head.next_run_at,
        now=now,
        actor=context.actor,
        because=because,
    )


def resume(context: Context, session: Session, head: Head, *, now: datetime, because: str) -> None:
    """A paused policy goes on with its next slot; those that came meanwhile are recorded as not run.

    Raises UnreadablePolicyError.
    """
    switches.shut_gate(session)
    policies.lock(session, head.id)
    policy = policies.load_by_id(session, head.id).policy
    assert policy.schedule is not None  # noqa: S101 - only delete policies are paused
    upcoming = next_fire(policy.schedule, policy.timezone, now)
    versions.turn(
        session,
        head,
        Event.POLICY_RESUMED,
        next_run_at=upcoming,
        now=now,
        actor=context.actor,
        because=because,
    )
    if head.next_run_at is None or head.next_run_at > now:
        return
    slots = came_due(policy, head.next_run_at, catch_up=timedelta(0), now=now)
    passed = [*slots.missed, *slots.coalesced, *([slots.run] if slots.run is not None else [])]
    skipped = [Skipped(slot, "expired", Reason.PAUSED) for slot in passed]
    runs.skip(session, head.id, head.version, mode=policy.mode, slots=skipped, now=now)
    audit.append(
        session,
        Event.RUN_SKIPPED,
        at=now,
        actor=context.actor,
        policy=head.name,
        policy_version=head.version,
        detail={"since": head.next_run_at.isoformat(), "paused": len(passed), "further": slots.further},
    )


def _settle_all(context: Context, session: Session, *, but: int, now: datetime) -> None:
    """Every queue once more: a keep-policy judges them all."""
    for stored in sorted(policies.load(session), key=lambda each: each.id):
        if stored.id != but and stored.policy.action == "delete":
            policies.lock(session, stored.id)
            _settle(context, session, stored, now=now)


def _settle(context: Context, session: Session, stored: StoredPolicy, *, now: datetime) -> None:
    policy = stored.policy
    if policy.action == "keep" or policy.mode == "observe":
        _empty(context, session, stored.id, "policy.observes", now=now)
        return
    try:
        compiled = rules.clauses(session, policy, context.settings, now=now)
    except (UnknownDeviceError, UnreadablePolicyError):
        return  # the gate lets none of its jobs go
    gone = candidates.stopped_matching(session, stored.id, compiled.clauses, now=now)
    _cancel(context, session, gone, now=now)
    queues.postpone(session, stored.id, grace=policy.grace)


def _empty(context: Context, session: Session, policy_id: int, clause: str, *, now: datetime) -> None:
    gone = candidates.open_jobs(session, policy_id)
    _cancel(context, session, [(job_id, clause) for job_id, _ in gone], now=now)
    withheld.forget(session, policy_id)


def _cancel(context: Context, session: Session, gone: Sequence[tuple[int, str]], *, now: datetime) -> None:
    for job_id, clause in gone:
        moves.move(session, job_id, JobEvent.CANCEL, now=now, actor=context.actor, detail={"clause": clause})


def _let_no_approval_stand(
    context: Context, session: Session, policy_id: int, policy: str, *, now: datetime
) -> None:
    runs.supersede(session, policy_id, policy=policy, by_run=None, now=now, actor=context.actor)
