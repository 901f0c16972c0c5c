"""What the metrics say, counted in SQL. Each policy, number and state has its value: 0 where nothing happened yet."""

from dataclasses import dataclass
from datetime import datetime
from itertools import product

from sqlalchemy import and_, func, select, union_all
from sqlalchemy.orm import Session

from chat_hygiene.store import heartbeats, switches, tallies, upcoming
from chat_hygiene.store.tables import daily_counts, devices, jobs, policies, policy_runs, purged_runs

OUTCOMES = ("deleted", "removed_locally", "already_gone", "failed")
RUNS_OPEN = ("syncing", "evaluating", "awaiting_approval")
RUNS_ENDED = ("done", "rejected", "expired", "superseded", "failed")
OWED = ("open", "abandoned")

Labels = tuple[str, ...]

_DEPARTED = "removed"


@dataclass(frozen=True, slots=True)
class Measures:
    """Counts by label, in the order of the labels, of jobs up to `tallies.MOST`; of instants None is never.

    `run_due_at`: the slot of a policy that should have run by now and has not ended; None: nothing is due.
    """

    jobs: dict[Labels, int]
    deletions: dict[Labels, int]
    runs_ended: dict[Labels, int]
    runs_open: dict[Labels, int]
    run_due_at: dict[Labels, datetime | None]
    debts: dict[Labels, int]
    owed_since: dict[Labels, datetime | None]
    overdue: dict[Labels, int]
    synced_at: dict[Labels, datetime | None]
    ticked_at: datetime | None
    stopped: bool


def read(session: Session, *, now: datetime) -> Measures:
    """All of them, as of one moment. A number that left the account is measured only while it owes something."""
    names = list(session.scalars(select(policies.c.name).where(policies.c.action == "delete")))
    runs = _runs(session)
    synced, owed = _synced(session), _owed(session)
    ticked = (each.at for each in heartbeats.read(session) if each.part == "tick")
    return Measures(
        jobs={(state,): number for state, number in tallies.by_state(session).items()},
        deletions=dict.fromkeys(product(names, OUTCOMES), 0) | _deletions(session),
        runs_ended={key: runs.get(key, 0) for key in product(names, RUNS_ENDED)},
        runs_open={key: runs.get(key, 0) for key in product(names, RUNS_OPEN)},
        run_due_at=dict.fromkeys(product(names)) | _due(session, now),
        debts=dict.fromkeys(synced, 0) | {label: count for label, (count, _) in owed.items()},
        owed_since=dict.fromkeys(synced) | {label: since for label, (_, since) in owed.items()},
        overdue={(name,): number for name, number in upcoming.overdue(session, now=now).items()},
        synced_at=synced,
        ticked_at=next(ticked, None),
        stopped=switches.stopped(session) is not None,
    )


def _owed(session: Session) -> dict[Labels, tuple[int, datetime]]:
    query = (
        select(devices.c.device, func.count(), func.min(jobs.c.debt_opened_at))
        .join(jobs, and_(jobs.c.device_id == devices.c.id, jobs.c.debt_state.in_(OWED)))
        .group_by(devices.c.device)
    )
    return {(device,): (count, since) for device, count, since in session.execute(query)}


def _due(session: Session, now: datetime) -> dict[Labels, datetime | None]:
    """By policy: the first of the slots whose run has not begun, or goes on."""
    begun = and_(policy_runs.c.policy_id == policies.c.id, policy_runs.c.state.in_(("syncing", "evaluating")))
    slots = union_all(
        select(policies.c.name, policies.c.next_run_at.label("slot")).where(
            policies.c.state == "active", policies.c.next_run_at < now
        ),
        select(policies.c.name, policy_runs.c.scheduled_for).join(policy_runs, begun),
    ).subquery()
    query = select(slots.c.name, func.min(slots.c.slot)).group_by(slots.c.name)
    return {(name,): slot for name, slot in session.execute(query)}


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
    ended = union_all(
        select(policy_runs.c.policy_id, policy_runs.c.state, func.count().label("runs")).group_by(
            policy_runs.c.policy_id, policy_runs.c.state
        ),
        # What was counted stays counted when the runs go.
        select(purged_runs.c.policy_id, purged_runs.c.state, purged_runs.c.runs),
    ).subquery()
    query = (
        select(policies.c.name, ended.c.state, func.sum(ended.c.runs))
        .join(ended, ended.c.policy_id == policies.c.id)
        .group_by(policies.c.name, ended.c.state)
    )
    return {(name, state): count for name, state, count in session.execute(query)}


def _synced(session: Session) -> dict[Labels, datetime | None]:
    query = select(devices.c.device, devices.c.last_sync_at).where(
        devices.c.status.is_distinct_from(_DEPARTED)
    )
    return {(device,): at for device, at in session.execute(query)}
