"""A few numbers that every page shows: counted at each look, and never further than somebody would read them.

A count ends at `most`, so that a look at a million late chats costs what a look at ten thousand does.
"""

from datetime import datetime

from sqlalchemy import Select, column, func, or_, select, table
from sqlalchemy.orm import Session

from chat_hygiene.core.debts import DebtState
from chat_hygiene.core.states import OPEN_STATES, JobState
from chat_hygiene.store import upcoming
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.runs import AWAITING
from chat_hygiene.store.tables import jobs, policies, policy_runs
from chat_hygiene.store.types import Instant

_POLICIES = table(
    "report_v1_policies",
    *map(column, ("policy", "mode", "state", "last_run_state")),
    *(column(name, Instant()) for name in ("next_run_at", "last_run_at")),
)


def overdue(session: Session, *, now: datetime, most: int) -> int:
    """Chats that should be gone and are not, queued or withheld: `most` stands for that many or more."""
    # By policy, so that within the index only what is late is read.
    names = session.execute(select(policies.c.id).order_by(policies.c.id)).scalars().all()
    late = select(jobs.c.id).where(
        jobs.c.state.in_([state.value for state in OPEN_STATES]),
        jobs.c.policy_id.in_(names),
        jobs.c.not_before < now,
    )
    queued = _count(session, late, most)
    return min(most, queued + _count(session, upcoming.withheld_late(now), most - queued))


def owed(session: Session, *, most: int) -> int:
    """Chats that were removed here and are not known to be gone from WhatsApp."""
    states = [DebtState.OPEN.value, DebtState.ABANDONED.value]
    return _count(session, select(jobs.c.id).where(jobs.c.debt_state.in_(states)), most)


def failed(session: Session, *, since: datetime, most: int) -> int:
    """Jobs that failed for good, or were quarantined, since then."""
    states = [JobState.FAILED.value, JobState.QUARANTINED.value]
    at = or_(jobs.c.finished_at >= since, jobs.c.last_failed_at >= since)
    return _count(session, select(jobs.c.id).where(jobs.c.state.in_(states), at), most)


def policies_now(session: Session) -> list[Record]:
    """Each policy that is not retired, by name: `policy`, `mode` (None: it keeps), `state`, and its next and last run.

    As `report_v1_policies` has it, so that one that this program cannot read is shown, too.
    """
    return fetch(
        session, select(_POLICIES).where(_POLICIES.c.state != "retired").order_by(_POLICIES.c.policy)
    )


def awaiting(session: Session) -> int:
    """Runs that await an approval."""
    query = select(func.count()).select_from(policy_runs).where(policy_runs.c.state == AWAITING)
    return session.execute(query).scalar_one()


def _count(session: Session, rows: Select[int], most: int) -> int:
    return session.execute(select(func.count()).select_from(rows.limit(most).subquery())).scalar_one()
