"""Evaluate: one policy against the stored chats, in one transaction.

First the policy's queued jobs that stopped matching are cancelled, then one statement queues a job for each new match,
then the brakes judge what was queued; if one trips nothing of it stays, and the run awaits approval with exactly those
candidates. Every run says in its row what it saw and why it queued what it queued.

A scheduled run waits, in its row, until the policy's numbers were synced (`readiness`).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import and_
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import DatabaseError
from chat_hygiene.core.events import Event
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import brakes, readiness, rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.store import audit, candidates, moves, policies, runs, switches
from chat_hygiene.store.engine import reading
from chat_hygiene.store.policies import StoredPolicy
from chat_policies import Compiled, Funnel, UnknownDeviceError

SAFETY_REASONS = ("stale data", "brake", "stopped", "unknown device")
EMPTY = Funnel(seen=0, in_scope=0, matched=0, held=0, kept=0, clauses=())

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of a policy did, and why."""

    run_id: int
    policy: str
    mode: str
    state: str
    reason: str
    funnel: Funnel
    deferred: int = 0
    duplicates: int = 0
    queued: int = 0
    cancelled: int = 0
    trips: tuple[brakes.Trip, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def safety_stop(self) -> bool:
        """Whether something kept the run from what the policy says."""
        return self.state == "failed" or (
            self.mode == "enforce" and (self.deferred > 0 or self.reason in SAFETY_REASONS)
        )


def run(context: Context, name: str, *, trigger: str, slot: datetime, now: datetime) -> Report:
    """Evaluates the policy's current version for `slot`."""
    with context.sessions.begin() as session:
        (stored,) = policies.load(session, [name])
        policies.lock(session, stored.id)
        (stored,) = policies.load(session, [name])
        run_id = runs.start(
            session,
            stored.id,
            stored.version,
            mode=_mode(stored),
            trigger=trigger,
            slot=slot,
            now=now,
            by=context.actor,
        )
        return _conclude(context, session, stored, run_id, now=now)


def scheduled(context: Context, run_id: int, *, now: datetime) -> Report | None:
    """Evaluates a run that waits for its sync, by the policy's current version.

    None when it has to wait on, is being evaluated elsewhere, or ended already. A database in trouble is raised, and the
    run waits on; any other error ends it as failed.
    """
    try:
        with context.sessions.begin() as session:
            return _scheduled(context, session, run_id, now=now)
    except (DatabaseError, OperationalError):
        if not _given_up(context, run_id, now=now):
            raise
        reason = "database"
        _log.exception("a run could not be evaluated for as long as its data may be old", run=run_id)
    except Exception as error:  # noqa: BLE001 - tried again it would only fail again
        reason = f"error: {type(error).__name__}"
        _log.exception("a run could not be evaluated", run=run_id)
    return _fail(context, run_id, reason, now=now)


def _scheduled(context: Context, session: Session, run_id: int, *, now: datetime) -> Report | None:
    run = runs.take(session, run_id)
    if run is None or not policies.try_lock(session, run.policy_id):
        return None
    stored = policies.load_by_id(session, run.policy_id)
    if stored.state != "active" or stored.policy.action != "delete":
        reason = stored.state if stored.state != "active" else "keep-policy"
        report = Report(run_id, run.policy, "observe", "expired", reason, EMPTY)
        _close(context, session, stored, report, now=now)
        return report
    if not readiness.ready(session, stored.policy, context.settings, since=run.started_at, now=now):
        return None
    runs.evaluating(session, run_id, version=stored.version, mode=_mode(stored))
    return _conclude(context, session, stored, run_id, now=now)


def _given_up(context: Context, run_id: int, *, now: datetime) -> bool:
    with reading(context.sessions) as session:
        started = next((run.started_at for run in runs.waiting(session) if run.id == run_id), now)
    return now - started >= context.settings.freshness_seconds


def _fail(context: Context, run_id: int, reason: str, *, now: datetime) -> Report | None:
    with context.sessions.begin() as session:
        run = runs.take(session, run_id)
        if run is None:
            return None
        runs.fail(
            session,
            run_id,
            policy=run.policy,
            version=run.version,
            reason=reason,
            now=now,
            actor=context.actor,
        )
    return Report(run_id, run.policy, "observe", "failed", reason, EMPTY)


def _mode(stored: StoredPolicy) -> str:
    return "enforce" if stored.enforces else "observe"


def _conclude(
    context: Context, session: Session, stored: StoredPolicy, run_id: int, *, now: datetime
) -> Report:
    try:
        compiled = rules.clauses(session, stored.policy, context.settings, now=now)
    except UnknownDeviceError as error:
        report = Report(
            run_id, stored.policy.name, _mode(stored), "failed", "unknown device", EMPTY, notes=(str(error),)
        )
    else:
        report = _evaluate(context, session, stored, compiled, run_id, now=now)
    _close(context, session, stored, report, now=now)
    return report


def _evaluate(
    context: Context,
    session: Session,
    stored: StoredPolicy,
    compiled: Compiled,
    run_id: int,
    *,
    now: datetime,
) -> Report:
    policy, mode = stored.policy, _mode(stored)
    cancelled = _cancel(context, session, stored, compiled, now=now)
    funnel = candidates.funnel(session, compiled)
    free = candidates.free(stored.id, stored.version, now=now)
    fresh = rules.fresh(session, context.settings, policy, now=now).holds()
    open_matches = candidates.count(session, and_(compiled.matches(), free))
    wanted = and_(compiled.matches(), free, fresh)
    reachable = candidates.count(session, wanted)
    deferred, duplicates = open_matches - reachable, funnel.matched - open_matches

    def report(state: str, reason: str, *, queued: int = 0, trips: tuple[brakes.Trip, ...] = ()) -> Report:
        return Report(
            run_id, policy.name, mode, state, reason, funnel, deferred, duplicates, queued, cancelled, trips
        )

    if mode == "observe":
        return report("done", "observe")
    if switches.stopped(session) is not None:
        return report("done", "stopped")
    if not reachable:
        if deferred:
            return report("done", "stale data")
        return report("done", "already queued" if duplicates else "nothing matched")

    attempt = session.begin_nested()
    candidates.queue(
        session,
        wanted,
        run_id=run_id,
        policy_id=stored.id,
        version=stored.version,
        reason=policy.words(),
        grace=policy.grace,
        now=now,
    )
    loads = candidates.loads(
        session,
        brakes.population(compiled),
        run_id=run_id,
        policy_id=stored.id,
        day_start=brakes.local_day_start(policy, now),
    )
    trips = tuple(trip for load in loads if (trip := brakes.judge(policy, load)))
    if trips:
        attempt.rollback()
        candidates.remember(session, wanted, run_id=run_id, grace=policy.grace, now=now)
        runs.supersede(session, stored.id, policy=policy.name, by_run=run_id, now=now, actor=context.actor)
        return report("awaiting_approval", "brake", trips=trips)
    attempt.commit()
    return report("done", "queued", queued=sum(load.queued for load in loads))


def _cancel(
    context: Context, session: Session, stored: StoredPolicy, compiled: Compiled, *, now: datetime
) -> int:
    gone = candidates.stopped_matching(session, stored.id, compiled.clauses)
    if not stored.enforces:
        gone = candidates.open_jobs(session, stored.id)
    for job_id, clause in gone:
        moves.move(session, job_id, JobEvent.CANCEL, now=now, actor=context.actor, detail={"clause": clause})
    return len(gone)


def _close(
    context: Context, session: Session, stored: StoredPolicy, report: Report, *, now: datetime
) -> None:
    funnel = report.funnel
    digest = None
    if report.state == "awaiting_approval":
        digest = runs.digest(candidates.remembered(session, report.run_id))
    elif report.queued:
        audit.append(
            session,
            Event.JOBS_QUEUED,
            at=now,
            actor=context.actor,
            policy=report.policy,
            policy_version=stored.version,
            run_id=report.run_id,
            detail={"count": report.queued, "digest": runs.digest(candidates.of_run(session, report.run_id))},
        )
    counts: dict[str, int] = {
        "seen": funnel.seen,
        "in_scope": funnel.in_scope,
        "matched": funnel.matched,
        "held": funnel.held,
        "kept": funnel.kept,
        "deferred": report.deferred,
        "queued": report.queued,
        "duplicates": report.duplicates,
    }
    clauses: list[dict[str, Any]] = [
        {"clause": each.name, "words": each.words, "failed": each.failed, "unknown": each.unknown}
        for each in funnel.clauses
    ]
    runs.finish(
        session,
        report.run_id,
        policy=report.policy,
        version=stored.version,
        state=report.state,
        reason=report.reason,
        now=now,
        actor=context.actor,
        counts=counts,
        funnel=clauses,
        digest=digest,
    )
