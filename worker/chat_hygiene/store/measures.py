"""What the metrics say, counted in SQL. Each policy, number and state has its value: 0 where nothing happened yet."""

from dataclasses import dataclass
from datetime import datetime
from itertools import product

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from chat_hygiene.core.states import JobState
from chat_hygiene.store import heartbeats, switches, upcoming
from chat_hygiene.store.tables import daily_counts, devices, jobs, policies, policy_runs

OUTCOMES = ("deleted", "removed_locally", "already_gone", "failed")
RUNS_OPEN = ("syncing", "evaluating", "awaiting_approval")
RUNS_ENDED = ("done", "rejected", "expired", "superseded", "failed")
OWED = ("open", "abandoned")

Labels = tuple[str, ...]

_DEPARTED = "removed"


@dataclass(frozen=True, slots=True)
class Measures:
    """Counts by label, in the order of the labels; `synced_at` and `ticked_at` are None for never."""

    jobs: dict[Labels, int]
    deletions: dict[Labels, int]
    runs_ended: dict[Labels, int]
    runs_open: dict[Labels, int]
    debts: dict[Labels, int]
    overdue: dict[Labels, int]
    synced_at: dict[Labels, datetime | None]
    ticked_at: datetime | None
    stopped: bool


def read(session: Session, *, now: datetime) -> Measures:
    """All of them, as of one moment. A number that left the account is measured only while it owes something."""
    names = list(session.scalars(select(policies.c.name).where(policies.c.action == "delete")))
    runs = _runs(session)
    synced = _synced(session)
    ticked = (each.at for each in heartbeats.read(session) if each.part == "tick")
    return Measures(
        jobs={(state,): 0 for state in JobState} | _counts(session, _by_state()),
        deletions=dict.fromkeys(product(names, OUTCOMES), 0) | _deletions(session),
        runs_ended={key: runs.get(key, 0) for key in product(names, RUNS_ENDED)},
        runs_open={key: runs.get(key, 0) for key in product(names, RUNS_OPEN)},
        debts=dict.fromkeys(synced, 0) | _counts(session, _owed()),
        overdue={(name,): 0 for name in names} | _overdue(session, now),
        synced_at=synced,
        ticked_at=next(ticked, None),
        stopped=switches.stopped(session) is not None,
    )


def _counts(session: Session, query: Select[str, int]) -> dict[Labels, int]:
    return {(label,): count for label, count in session.execute(query).all()}


def _by_state() -> Select[str, int]:
    return select(jobs.c.state, func.count()).group_by(jobs.c.state)


def _owed() -> Select[str, int]:
    return (
        select(devices.c.device, func.count())
        .join(jobs, and_(jobs.c.device_id == devices.c.id, jobs.c.debt_state.in_(OWED)))
        .group_by(devices.c.device)
    )


def _overdue(session: Session, now: datetime) -> dict[Labels, int]:
    return {(each.policy,): each.chats for each in upcoming.late(session, now=now)}


def _deletions(session: Session) -> dict[Labels, int]:
    sums = [func.sum(daily_counts.c[outcome]) for outcome in OUTCOMES]
    query = (
        select(policies.c.name, *sums)
        .join(policies, policies.c.id == daily_counts.c.policy_id)
        .group_by(policies.c.name)
    )
    return {
        (name, outcome): count
        for name, *counts in session.execute(query)
        for outcome, count in zip(OUTCOMES, counts, strict=True)
    }


def _runs(session: Session) -> dict[Labels, int]:
    query = (
        select(policies.c.name, policy_runs.c.state, func.count())
        .join(policy_runs, policy_runs.c.policy_id == policies.c.id)
        .group_by(policies.c.name, policy_runs.c.state)
    )
    return {(name, state): count for name, state, count in session.execute(query)}


def _synced(session: Session) -> dict[Labels, datetime | None]:
    query = select(devices.c.device, devices.c.last_sync_at).where(
        devices.c.status.is_distinct_from(_DEPARTED)
    )
    return {(device,): at for device, at in session.execute(query)}
