"""Policy runs: one row per policy and scheduled slot, with its funnel, counts and reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, insert, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import policies, policy_runs

AWAITING = "awaiting_approval"
"""The state of a run whose candidates go only if somebody says so."""

_FINISH = {
    "done": Event.RUN_FINISHED,
    "failed": Event.RUN_FAILED,
    AWAITING: Event.RUN_AWAITING_APPROVAL,
    "expired": Event.RUN_SKIPPED,
}
# Written out, so that both engines see that the partial index has these rows.
_SYNCING = policy_runs.c.state == literal_column("'syncing'")
BY_SCHEDULE = "scheduler"
"""Who asked for a run that nobody asked for but its schedule."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A scheduled run that waits for its policy's sync since `started_at`."""

    id: int
    policy_id: int
    policy: str
    version: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Skipped:
    """A slot that got no run of its own, and why: it is `done` when another run makes up for it, else `expired`."""

    slot: datetime
    state: str
    reason: str


def start(
    session: Session,
    policy_id: int,
    version: int,
    *,
    mode: str,
    trigger: str,
    slot: datetime,
    now: datetime,
    by: str,
    approved_by: str | None = None,
) -> int:
    """Opens the run of a slot; returns its id. Raises IntegrityError when the slot already has its run."""
    run_id: int = session.execute(
        insert(policy_runs)
        .values(
            policy_id=policy_id,
            version=version,
            trigger=trigger,
            scheduled_for=slot,
            started_at=now,
            mode=mode,
            state="evaluating",
            requested_by=by,
            approved_by=approved_by,
        )
        .returning(policy_runs.c.id)
    ).scalar_one()
    return run_id


def open_slot(
    session: Session,
    policy_id: int,
    version: int,
    *,
    policy: str,
    mode: str,
    slot: datetime,
    now: datetime,
    actor: str,
) -> int | None:
    """Opens the run of a scheduled slot, which waits for its sync first; None when the slot already has its run."""
    row = _row(policy_id, version, mode=mode, now=now) | {"scheduled_for": slot, "state": "syncing"}
    statement = _insert(session).on_conflict_do_nothing().returning(policy_runs.c.id)
    run_id: int | None = session.execute(statement, row).scalar_one_or_none()
    if run_id is not None:
        detail = {"slot": slot.isoformat()}
        audit.append(
            session,
            Event.RUN_STARTED,
            at=now,
            actor=actor,
            policy=policy,
            policy_version=version,
            run_id=run_id,
            detail=detail,
        )
    return run_id


def skip(
    session: Session, policy_id: int, version: int, *, mode: str, slots: Sequence[Skipped], now: datetime
) -> None:
    """A row for each slot that got no run of its own, unless it has one. The caller tells the audit."""
    shared = _row(policy_id, version, mode=mode, now=now) | {"finished_at": now}
    rows = [
        shared | {"scheduled_for": each.slot, "state": each.state, "reason": each.reason} for each in slots
    ]
    if rows:
        session.execute(_insert(session).on_conflict_do_nothing(), rows)


def _row(policy_id: int, version: int, *, mode: str, now: datetime) -> dict[str, Any]:
    return {
        "policy_id": policy_id,
        "version": version,
        "trigger": "schedule",
        "started_at": now,
        "mode": mode,
        "requested_by": BY_SCHEDULE,
    }


def _insert(session: Session) -> postgresql.Insert | sqlite.Insert:
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(policy_runs)
    return sqlite.insert(policy_runs)


def waiting(session: Session, *, policy_id: int | None = None) -> list[Waiting]:
    """Runs, of one policy if given, that wait for their sync, oldest first."""
    query = _waiting().order_by(policy_runs.c.id)
    if policy_id is not None:
        query = query.where(policy_runs.c.policy_id == policy_id)
    return [Waiting(*row) for row in session.execute(query)]


def take(session: Session, run_id: int) -> Waiting | None:
    """Locks a run that waits for its sync; None when it waits no longer, or somebody else has it."""
    query = _waiting().where(policy_runs.c.id == run_id).with_for_update(of=policy_runs, skip_locked=True)
    row = session.execute(query).one_or_none()
    return None if row is None else Waiting(*row)


def _waiting() -> Select[Any]:
    columns = (policy_runs.c.id, policy_runs.c.policy_id, policies.c.name, policy_runs.c.version)
    return (
        select(*columns, policy_runs.c.started_at)
        .join(policies, policies.c.id == policy_runs.c.policy_id)
        .where(_SYNCING)
    )


def evaluating(session: Session, run_id: int, *, version: int, mode: str) -> None:
    """A run that waited is evaluated by the policy's version of now."""
    session.execute(
        update(policy_runs)
        .where(policy_runs.c.id == run_id)
        .values(state="evaluating", version=version, mode=mode)
    )


def finish(
    session: Session,
    run_id: int,
    *,
    policy: str,
    version: int,
    state: str,
    reason: str,
    now: datetime,
    actor: str,
    counts: Mapping[str, int],
    funnel: Sequence[Mapping[str, Any]],
    notes: Sequence[str] = (),
    canary: bool = False,
    digest: str | None = None,
    expires_at: datetime | None = None,
) -> None:
    """Ends a run, or leaves it to await approval until `expires_at`."""
    session.execute(
        update(policy_runs)
        .where(policy_runs.c.id == run_id)
        .values(
            state=state,
            reason=reason,
            finished_at=None if state == AWAITING else now,
            funnel=list(funnel),
            notes=list(notes),
            canary=canary,
            digest=digest,
            expires_at=expires_at,
            **counts,
        )
    )
    audit.append(
        session,
        _FINISH[state],
        at=now,
        actor=actor,
        policy=policy,
        policy_version=version,
        run_id=run_id,
        outcome=state,
        detail={"reason": reason, "digest": digest, "canary": canary, **counts},
    )


def fail(
    session: Session, run_id: int, *, policy: str, version: int, reason: str, now: datetime, actor: str
) -> None:
    """Ends a run that could not even be evaluated."""
    finish(
        session,
        run_id,
        policy=policy,
        version=version,
        state="failed",
        reason=reason,
        now=now,
        actor=actor,
        counts={},
        funnel=(),
    )


def supersede(
    session: Session, policy_id: int, *, policy: str, by_run: int | None, now: datetime, actor: str
) -> None:
    """What awaits approval is approved no more: a newer run, or with None another version of the policy, is in its place.

    What those runs withheld stays withheld until a run concludes.
    """
    old = session.execute(
        update(policy_runs)
        .where(
            policy_runs.c.policy_id == policy_id,
            policy_runs.c.state == AWAITING,
            policy_runs.c.id.is_distinct_from(by_run),
        )
        .values(state="superseded", finished_at=now)
        .returning(policy_runs.c.id, policy_runs.c.version)
    ).all()
    for row in old:
        audit.append(
            session,
            Event.RUN_SUPERSEDED,
            at=now,
            actor=actor,
            policy=policy,
            policy_version=row.version,
            run_id=row.id,
            outcome="superseded",
            detail={"by_run": by_run},
        )


def last(session: Session, policy_id: int) -> Record | None:
    """The newest run of a policy."""
    query = (
        select(policy_runs)
        .where(policy_runs.c.policy_id == policy_id)
        .order_by(policy_runs.c.id.desc())
        .limit(1)
    )
    return next(iter(fetch(session, query)), None)
