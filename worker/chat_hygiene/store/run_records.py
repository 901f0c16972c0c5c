"""Runs as a face shows them: one, or the newest of all policies."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.runs import AWAITING
from chat_hygiene.store.tables import jobs, policies, policy_runs


def find(session: Session, run_id: int) -> Record | None:
    """One run, with its policy's name."""
    return next(iter(fetch(session, _runs().where(policy_runs.c.id == run_id))), None)


def listing(session: Session, *, awaiting: bool = False, limit: int | None = None) -> list[Record]:
    """Runs with their policies' names, newest first; with `awaiting` only those that await approval."""
    query = _runs().order_by(policy_runs.c.id.desc()).limit(limit)
    return fetch(session, query.where(policy_runs.c.state == AWAITING) if awaiting else query)


def outcomes(session: Session, run_id: int) -> dict[str, int]:
    """How many of a run's jobs stand in each state."""
    query = select(jobs.c.state, func.count()).where(jobs.c.run_id == run_id).group_by(jobs.c.state)
    return dict(session.execute(query).all())


def _runs() -> Select[Any]:
    mine = policies.c.id == policy_runs.c.policy_id
    return select(policy_runs, policies.c.name.label("policy")).join(policies, mine)
