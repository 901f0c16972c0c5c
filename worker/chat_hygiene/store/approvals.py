"""Runs that await approval: what becomes of one is decided once, by a person, by time, or by a newer run (`runs.supersede`).

Whoever decides has locked the run's policy before looking.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.core.reasons import Reason
from chat_hygiene.store import audit
from chat_hygiene.store.runs import AWAITING
from chat_hygiene.store.tables import policies, policy_runs


@dataclass(frozen=True, slots=True)
class Pending:
    """A run as somebody who decides finds it, in whatever state; `expires_at` only if it has awaited approval."""

    id: int
    policy_id: int
    policy: str
    version: int
    state: str
    reason: str | None
    expires_at: datetime | None
    approved_by: str | None


def look(session: Session, run_id: int) -> Pending | None:
    """A run, if there is one."""
    row = session.execute(_pending().where(policy_runs.c.id == run_id)).one_or_none()
    return None if row is None else Pending(*row)


def overdue(session: Session, *, now: datetime) -> list[Pending]:
    """The runs that nobody decided about in time."""
    query = _pending().where(policy_runs.c.state == AWAITING, policy_runs.c.expires_at <= now)
    return [Pending(*row) for row in session.execute(query.order_by(policy_runs.c.id))]


def approve(
    session: Session,
    run: Pending,
    *,
    reason: Reason,
    queued: int,
    deferred: int,
    now: datetime,
    actor: str,
    detail: Mapping[str, object],
) -> None:
    """What still matches of its candidates was queued."""
    values = {"reason": reason.value, "queued": queued, "deferred": deferred, "approved_by": actor}
    _end(session, run, "done", Event.RUN_APPROVED, values, now=now, actor=actor, detail=detail)


def reject(session: Session, run: Pending, *, because: str, now: datetime, actor: str) -> None:
    """None of its candidates goes by it."""
    values = {"reason": Reason.REJECTED.value}
    detail = {"because": because}
    _end(session, run, "rejected", Event.RUN_REJECTED, values, now=now, actor=actor, detail=detail)


def expire(session: Session, run: Pending, *, now: datetime, actor: str) -> None:
    """Nobody said so in time."""
    values = {"reason": Reason.EXPIRED.value}
    detail = {"awaited_for": run.reason}
    _end(session, run, "expired", Event.RUN_EXPIRED, values, now=now, actor=actor, detail=detail)


def _end(
    session: Session,
    run: Pending,
    state: str,
    kind: Event,
    values: Mapping[str, Any],
    *,
    now: datetime,
    actor: str,
    detail: Mapping[str, object],
) -> None:
    session.execute(
        update(policy_runs).where(policy_runs.c.id == run.id).values(state=state, finished_at=now, **values)
    )
    audit.append(
        session,
        kind,
        at=now,
        actor=actor,
        policy=run.policy,
        policy_version=run.version,
        run_id=run.id,
        outcome=state,
        detail=detail,
    )


def _pending() -> Select[Any]:
    names = ("id", "policy_id", "version", "state", "reason", "expires_at", "approved_by")
    columns = {name: policy_runs.c[name] for name in names} | {"policy": policies.c.name}
    return select(*(columns[name] for name in Pending.__slots__)).join(
        policies, policies.c.id == policy_runs.c.policy_id
    )
