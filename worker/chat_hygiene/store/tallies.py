"""Counts that end where nobody reads on: a look at a million jobs costs what a look at `MOST` does."""

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from chat_hygiene.core.states import JobState
from chat_hygiene.store.tables import jobs

MOST = 10_000
"""A count of so many stands for so many or more."""


def count(session: Session, rows: Select[int], *, most: int = MOST) -> int:
    """How many rows there are, at most `most`."""
    return session.execute(select(func.count()).select_from(rows.limit(most).subquery())).scalar_one()


def by_state(session: Session, *which: ColumnElement[bool]) -> dict[JobState, int]:
    """How many jobs stand in each state, each up to `MOST`; 0 where none does."""
    some = [select(jobs.c.id).where(jobs.c.state == state.value, *which).limit(MOST) for state in JobState]
    counts = [select(func.count()).select_from(each.subquery()).scalar_subquery() for each in some]
    return dict(zip(JobState, session.execute(select(*counts)).one(), strict=True))
