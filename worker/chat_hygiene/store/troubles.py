"""What is wrong, per policy and per number, as far as only counting tells it. Never a chat."""

from datetime import datetime, timedelta

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from chat_hygiene.core.debts import DebtState
from chat_hygiene.core.states import JobState
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.runs import AWAITING
from chat_hygiene.store.tables import devices, jobs, policies, policy_runs, run_candidates

LATELY = timedelta(days=1)
"""For how long a failure is news, and after how long a debt is one."""


def awaiting(session: Session) -> list[Record]:
    """The runs that await a decision: `run`, `policy`, `policy_id`, `expires_at`, `since`, and how many `chats` wait."""
    chats = select(func.count()).where(
        run_candidates.c.run_id == policy_runs.c.id, run_candidates.c.withheld_by.is_not(None)
    )
    query = (
        select(
            policy_runs.c.id.label("run"),
            policies.c.name.label("policy"),
            policies.c.id.label("policy_id"),
            policy_runs.c.expires_at,
            policy_runs.c.started_at.label("since"),
            chats.scalar_subquery().label("chats"),
        )
        .join(policies, policies.c.id == policy_runs.c.policy_id)
        .where(policy_runs.c.state == AWAITING)
        .order_by(policy_runs.c.id)
    )
    return fetch(session, query)


def state_of_run(session: Session, run_id: int) -> str | None:
    """How it stands by now."""
    return session.scalar(select(policy_runs.c.state).where(policy_runs.c.id == run_id))


def failures(session: Session, *, now: datetime) -> list[Record]:
    """Jobs that failed for good lately, by policy: `policy_id`, `policy`, how many `chats`."""
    final = [JobState.FAILED.value, JobState.QUARANTINED.value]
    query = (
        select(policies.c.id.label("policy_id"), policies.c.name.label("policy"), func.count().label("chats"))
        .join(policies, policies.c.id == jobs.c.policy_id)
        .where(jobs.c.state.in_(final), jobs.c.finished_at > now - LATELY)
        .group_by(policies.c.id, policies.c.name)
    )
    return fetch(session, query)


def failed_runs(session: Session) -> list[Record]:
    """The active policies whose newest run failed: `policy_id`, `policy`, `run`, `since`."""
    newest = (
        select(policy_runs.c.id)
        .where(policy_runs.c.policy_id == policies.c.id)
        .order_by(policy_runs.c.scheduled_for.desc())
        .limit(1)
        .correlate(policies)
        .scalar_subquery()
    )
    query = (
        select(
            policies.c.id.label("policy_id"),
            policies.c.name.label("policy"),
            policy_runs.c.id.label("run"),
            policy_runs.c.finished_at.label("since"),
        )
        .join(policy_runs, policy_runs.c.id == newest)
        .where(policies.c.state == "active", policy_runs.c.state == "failed")
    )
    return fetch(session, query)


def debts(session: Session, *, now: datetime) -> list[Record]:
    """Older removals that WhatsApp may know nothing of, by number: `device_id`, `device`, `alias`, `chats`, `oldest`."""
    owed = [DebtState.OPEN.value, DebtState.ABANDONED.value]
    query = (
        select(
            devices.c.id.label("device_id"),
            devices.c.device,
            devices.c.alias,
            func.count().label("chats"),
            func.min(jobs.c.debt_opened_at).label("oldest"),
        )
        .join(
            jobs,
            and_(
                jobs.c.device_id == devices.c.id,
                jobs.c.debt_state.in_(owed),
                jobs.c.debt_opened_at <= now - LATELY,
            ),
        )
        .group_by(devices.c.id, devices.c.device, devices.c.alias)
    )
    return fetch(session, query)
