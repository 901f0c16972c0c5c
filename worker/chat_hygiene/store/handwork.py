"""Jobs that an operator takes in hand: each with what decides whether it can be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chat_hygiene.core.debts import DebtState
from chat_hygiene.core.states import HOLDING_STATES, JobState
from chat_hygiene.store.tables import chats, jobs


@dataclass(frozen=True, slots=True)
class Handled:
    """One job. `chat_left`: its chat's life is over. `holder`: the other job that has that life by now."""

    id: int
    chat_id: int
    policy_id: int
    state: JobState
    not_before: datetime
    call_out: bool
    chat_left: bool
    holder: int | None
    debt: DebtState | None


def take(session: Session, job_ids: Sequence[int]) -> dict[int, Handled]:
    """Those of these jobs that there are, by id, locked: their states stay as they are until the transaction ends."""
    session.execute(select(jobs.c.id).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id).with_for_update())
    return look(session, job_ids)


def look(session: Session, job_ids: Sequence[int]) -> dict[int, Handled]:
    """Those of these jobs that there are, by id."""
    other = jobs.alias("other")
    holder = (
        select(func.min(other.c.id))
        .where(
            other.c.chat_id == jobs.c.chat_id,
            other.c.generation == jobs.c.generation,
            other.c.state.in_([state.value for state in HOLDING_STATES]),
            other.c.id != jobs.c.id,
        )
        .scalar_subquery()
    )
    left = (chats.c.generation != jobs.c.generation) | chats.c.removed_at.is_not(None)
    query = (
        select(jobs, left.label("chat_left"), holder.label("holder"))
        .join(chats, chats.c.id == jobs.c.chat_id)
        .where(jobs.c.id.in_(job_ids))
        .order_by(jobs.c.id)
    )
    return {
        row.id: Handled(
            id=row.id,
            chat_id=row.chat_id,
            policy_id=row.policy_id,
            state=JobState(row.state),
            not_before=row.not_before,
            call_out=row.intent is not None,
            chat_left=bool(row.chat_left),
            holder=row.holder,
            debt=None if row.debt_state is None else DebtState(row.debt_state),
        )
        for row in session.execute(query)
    }
