"""The queue of one policy as a whole: what becomes of it when its policy changes, and how soon it leaves."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, literal, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.states import OPEN_STATES, JobState
from chat_hygiene.store.tables import jobs
from chat_hygiene.store.types import Instant

SOON = timedelta(days=1)
AT_ONCE = 1000
"""Jobs in one statement: the database ends one that takes too long."""

_OPEN = jobs.c.state.in_([literal(state.value, literal_execute=True) for state in OPEN_STATES])


@dataclass(frozen=True, slots=True)
class Leaving:
    """How many queued jobs leave at once, within a day, and later than that; the first of all of them at `first_at`."""

    now: int
    soon: int
    later: int
    first_at: datetime | None

    @property
    def words(self) -> str:
        """How soon, in words."""
        if self.first_at is None:
            return "nothing is queued"
        return f"{self.now:,} of its chats leave at once, {self.soon:,} within a day, {self.later:,} later"


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
    # In the order of everybody else who locks several.
    query = (
        select(jobs.c.id, jobs.c.matched_at, jobs.c.not_before)
        .where(jobs.c.policy_id == policy_id, _OPEN)
        .order_by(jobs.c.id)
        .with_for_update()
        .execution_options(yield_per=AT_ONCE)
    )
    early: dict[datetime, list[int]] = defaultdict(list)
    for row in session.execute(query):
        if row.not_before < row.matched_at + grace:
            early[row.matched_at + grace].append(row.id)
    for due, ids in early.items():
        at = literal(due, Instant())
        waits = and_(jobs.c.intent.is_(None), jobs.c.next_attempt_at < at)
        later = {"not_before": at, "next_attempt_at": case((waits, at), else_=jobs.c.next_attempt_at)}
        for first in range(0, len(ids), AT_ONCE):
            some = ids[first : first + AT_ONCE]
            session.execute(update(jobs).where(jobs.c.id.in_(some)).values(later))
