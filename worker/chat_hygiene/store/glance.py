"""A few numbers that every page shows: counted at each look, and never further than `MOST`."""

from datetime import datetime

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from chat_hygiene.core.debts import DebtState
from chat_hygiene.core.states import OPEN_STATES, JobState
from chat_hygiene.store import tallies, upcoming
from chat_hygiene.store.policies import WRITTEN
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.runs import AWAITING
from chat_hygiene.store.tables import jobs, policies, policy_runs, policy_versions
from chat_hygiene.store.tallies import MOST


def overdue(session: Session, *, now: datetime) -> int:
    """Chats that should be gone and are not, queued or withheld."""
    # By policy, so that within the index only what is late is read.
    names = session.execute(select(policies.c.id).order_by(policies.c.id)).scalars().all()
    late = select(jobs.c.id).where(
        jobs.c.state.in_([state.value for state in OPEN_STATES]),
        jobs.c.policy_id.in_(names),
        jobs.c.not_before < now,
    )
    queued = tallies.count(session, late)
    return queued + tallies.count(session, upcoming.withheld_late(now), most=MOST - queued)


def owed(session: Session) -> int:
    """Chats that were removed here and are not known to be gone from WhatsApp."""
    states = [DebtState.OPEN.value, DebtState.ABANDONED.value]
    return tallies.count(session, select(jobs.c.id).where(jobs.c.debt_state.in_(states)))


def failed(session: Session, *, since: datetime) -> int:
    """Jobs that failed for good, or were quarantined, since then."""
    states = [JobState.FAILED.value, JobState.QUARANTINED.value]
    at = or_(jobs.c.finished_at >= since, jobs.c.last_failed_at >= since)
    return tallies.count(session, select(jobs.c.id).where(jobs.c.state.in_(states), at))


def policies_now(session: Session) -> list[Record]:
    """Each policy that is not retired, by name: `policy`, `mode` (None: it keeps), `state`, and its next and last run.

    Read without its rule, so that one that this program cannot read is shown, too.
    """
    now, last = policy_versions.alias(), policy_runs.alias()
    newest = select(func.max(policy_runs.c.id)).where(policy_runs.c.policy_id == policies.c.id)
    query = (
        select(
            policies.c.name.label("policy"),
            case(
                (policies.c.action == "delete", func.coalesce(now.c.document["mode"].as_string(), "observe"))
            ).label("mode"),
            policies.c.state,
            case((policies.c.state == "active", policies.c.next_run_at)).label("next_run_at"),
            last.c.started_at.label("last_run_at"),
            last.c.state.label("last_run_state"),
        )
        .join(now, and_(now.c.policy_id == policies.c.id, now.c.version == policies.c.version))
        .outerjoin(last, last.c.id == newest.scalar_subquery())
        .where(policies.c.state != "retired", WRITTEN)
        .order_by(policies.c.name)
    )
    return fetch(session, query)


def awaiting(session: Session) -> int:
    """Runs that await an approval."""
    query = select(func.count()).select_from(policy_runs).where(policy_runs.c.state == AWAITING)
    return session.execute(query).scalar_one()
