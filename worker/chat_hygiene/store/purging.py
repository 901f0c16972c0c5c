"""Our own rows past their retention: which may go, and letting them go, a batch at a time.

What goes may never let a chat be deleted twice. A job that holds a chat's life stays as long as that life may be deleted;
a chat's row, which is its life, goes only once it is erased or long vanished, no job or candidate points at it, and no
hold names it: a hold knows a chat by the pseudonym of its row. Policies, their versions, daily counts and the audit stay.
The newest row of a table stays, too: SQLite would give its id to the next one, and the audit names rows by their ids.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, ColumnElement, Table, and_, delete, exists, func, literal, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.core.states import HOLDING_STATES, OPEN_STATES
from chat_hygiene.store.tables import chats, holds, jobs, policy_runs, purged_runs, run_candidates
from chat_hygiene.store.types import Instant

Key = tuple[int, ...]
Before = ColumnElement[datetime]


def _jobs(before: Before) -> ColumnElement[bool]:
    lives = and_(
        chats.c.id == jobs.c.chat_id,
        chats.c.generation == jobs.c.generation,
        chats.c.removed_at.is_(None),
        or_(chats.c.missing_since.is_(None), chats.c.missing_since >= before),
    )
    holding = jobs.c.state.in_([state.value for state in HOLDING_STATES])
    return and_(
        jobs.c.finished_at < before,
        jobs.c.state.not_in([state.value for state in OPEN_STATES]),
        jobs.c.debt_state.is_distinct_from("open"),
        ~and_(holding, exists().where(lives)),
    )


def _candidates(before: Before) -> ColumnElement[bool]:
    ended = and_(policy_runs.c.id == run_candidates.c.run_id, policy_runs.c.finished_at < before)
    return exists().where(ended)


def _runs(before: Before) -> ColumnElement[bool]:
    return and_(
        policy_runs.c.finished_at < before,
        ~exists().where(jobs.c.run_id == policy_runs.c.id),
        ~exists().where(run_candidates.c.run_id == policy_runs.c.id),
    )


def _chats(before: Before) -> ColumnElement[bool]:
    erased = and_(chats.c.removed_at < before, chats.c.wid.is_(None))
    vanished = and_(chats.c.missing_since < before, chats.c.removed_at.is_(None))
    held = and_(
        holds.c.chat_ref == chats.c.chat_ref,
        holds.c.released_at.is_(None),
        or_(holds.c.until.is_(None), holds.c.until >= before),
    )
    return and_(
        or_(erased, vanished),
        ~exists().where(jobs.c.chat_id == chats.c.id),
        ~exists().where(run_candidates.c.chat_id == chats.c.id),
        ~exists().where(held),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Rows of one table: what they are called, what tells them apart, and which of them may go."""

    name: str
    table: Table
    key: tuple[Column[int], ...]
    may_go: Callable[[Before], ColumnElement[bool]]


KINDS = (
    Kind("jobs", jobs, (jobs.c.id,), _jobs),
    Kind("candidates", run_candidates, (run_candidates.c.run_id, run_candidates.c.chat_id), _candidates),
    Kind("runs", policy_runs, (policy_runs.c.id,), _runs),
    Kind("chats", chats, (chats.c.id,), _chats),
)
"""In the order in which they can go: none points at a later one's rows any more."""


def remove(session: Session, kind: Kind, *, before: datetime, after: Key | None, limit: int) -> Sequence[Key]:
    """Deletes up to `limit` rows whose time ended before then, by key from beyond `after`; returns their keys."""
    key = tuple_(*kind.key)
    query = select(*kind.key).where(kind.may_go(literal(before, Instant()))).order_by(*kind.key).limit(limit)
    if len(kind.key) == 1:
        (own_id,) = kind.key
        query = query.where(own_id < select(func.max(own_id)).scalar_subquery())
    if after is not None:
        query = query.where(key > tuple_(*map(literal, after)))
    # A row that somebody works with right now is not in the way: it goes another day.
    rows = session.execute(query.with_for_update(of=kind.table, skip_locked=True))
    keys = [tuple(row) for row in rows]
    if keys:
        if kind.table is policy_runs:
            _remember(session, key.in_(keys))
        session.execute(delete(kind.table).where(key.in_(keys)))
    return keys


def _remember(session: Session, going: ColumnElement[bool]) -> None:
    """Adds runs that go to what is known of purged ones: their count in the metrics must not fall."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    ended = (policy_runs.c.policy_id, policy_runs.c.state)
    counted = select(*ended, func.count()).where(going).group_by(*ended)
    gone = dialect.insert(purged_runs).from_select(["policy_id", "state", "runs"], counted)
    session.execute(
        gone.on_conflict_do_update(
            index_elements=["policy_id", "state"], set_={"runs": purged_runs.c.runs + gone.excluded.runs}
        )
    )
