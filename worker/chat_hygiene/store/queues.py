"""The queue of one policy as a whole: what becomes of it when its policy changes, and how soon it leaves."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, func, literal, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.states import OPEN_STATES, JobState
from chat_hygiene.store.tables import jobs
from chat_hygiene.store.types import Instant

SOON = timedelta(days=1)
AT_ONCE = 10_000
"""Jobs in one statement: the database ends one that takes too long."""

_OPEN = jobs.c.state.in_([literal(state.value, literal_execute=True) for state in OPEN_STATES])


@dataclass(frozen=True, slots=True)
class Leaving:
    """How many queued jobs leave at once, within a day, and later than that; the first of all of them at `first_at`."""

    now: int
    soon: int
    later: int
    first_at: datetime | None


def leaving(session: Session, policy_id: int, *, now: datetime) -> Leaving:
    """How soon a policy's queued jobs leave if nothing holds them up."""
    at = jobs.c.not_before
    query = select(
        func.count().filter(at <= now),
        func.count().filter(at > now, at <= now + SOON),
        func.count().filter(at > now + SOON),
        func.min(at),
    ).where(jobs.c.policy_id == policy_id, jobs.c.state == JobState.QUEUED.value)
    return Leaving(*session.execute(query).one())


def postpone(session: Session, policy_id: int, *, grace: timedelta) -> None:
    """No open job of a policy leaves before its match is `grace` old; none leaves sooner than it would have.

    A job with its call out is looked at as soon as before: its outcome has to be read, and its gate asks when it may leave.
    """
    last = 0
    while True:
        mine = (jobs.c.policy_id == policy_id, _OPEN, jobs.c.id > last)
        # In the order of everybody else who locks several.
        query = select(jobs.c.id).where(*mine).order_by(jobs.c.id).limit(AT_ONCE).with_for_update()
        ids = session.execute(query).scalars().all()
        if not ids:
            return
        last = ids[-1]
        _postpone(session, and_(*mine, jobs.c.id <= last), grace)


def _postpone(session: Session, some: ColumnElement[bool], grace: timedelta) -> None:
    # A run queues all its jobs for one instant; and the engines spell arithmetic with instants differently.
    for since in session.execute(select(jobs.c.matched_at).where(some).distinct()).scalars().all():
        due = since + grace
        at = literal(due, Instant())
        waits = and_(jobs.c.intent.is_(None), jobs.c.next_attempt_at < at)
        session.execute(
            update(jobs)
            .where(some, jobs.c.matched_at == since, jobs.c.not_before < due)
            .values(not_before=due, next_attempt_at=case((waits, at), else_=jobs.c.next_attempt_at))
        )
