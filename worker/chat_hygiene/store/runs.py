"""Policy runs: one row per policy and scheduled slot, with its funnel, counts and reason."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import policy_runs

_FINISH = {
    "done": Event.RUN_FINISHED,
    "failed": Event.RUN_FAILED,
    "awaiting_approval": Event.RUN_AWAITING_APPROVAL,
}


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
        )
        .returning(policy_runs.c.id)
    ).scalar_one()
    return run_id


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
    counts: dict[str, int],
    funnel: list[dict[str, Any]],
    digest: str | None = None,
) -> None:
    """Ends a run, or leaves it to await approval."""
    session.execute(
        update(policy_runs)
        .where(policy_runs.c.id == run_id)
        .values(
            state=state,
            reason=reason,
            finished_at=None if state == "awaiting_approval" else now,
            funnel=funnel,
            digest=digest,
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
        detail={"reason": reason, "digest": digest, **counts},
    )


def supersede(
    session: Session, policy_id: int, *, policy: str, by_run: int, now: datetime, actor: str
) -> None:
    """A newer tripped run takes the place of those that still await approval."""
    old = session.execute(
        update(policy_runs)
        .where(
            policy_runs.c.policy_id == policy_id,
            policy_runs.c.state == "awaiting_approval",
            policy_runs.c.id != by_run,
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
            detail={"by_run": by_run},
        )


def digest(candidates: Iterable[tuple[str, int]]) -> str:
    """SHA-256 over the sorted (chat_ref, generation) pairs: what exactly a decision was about."""
    lines = sorted(f"{ref} {generation}\n" for ref, generation in candidates)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def last(session: Session, policy_id: int) -> Record | None:
    """The newest run of a policy."""
    query = (
        select(policy_runs)
        .where(policy_runs.c.policy_id == policy_id)
        .order_by(policy_runs.c.id.desc())
        .limit(1)
    )
    return next(iter(fetch(session, query)), None)
