"""Sealing: every event is bound, with a key, to all events before it, in an order in which none can appear later.

No sealed event can then be edited, removed, inserted or moved without the key, which is what `verifying` shows.
"""

from collections.abc import Collection, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import AuditBrokenError
from chat_hygiene.store.chain import BrokenError, Chain, Link, Marks, columns
from chat_hygiene.store.tables import audit_events, audit_seals

Columns = Sequence[Any]
"""Position, hash and event_id of a seal, then its event's columns; all NULL if it is gone."""

BATCH = 1000
# Shared by all transactions that write events (a trigger sees to it), see migration 0003.
_ALONE = text("SELECT pg_advisory_xact_lock(7236417082)")
# New events queue behind a waiting sealer: it waits briefly, and seals the next time.
_PATIENCE = text("SET LOCAL lock_timeout = '3s'")
_LOCK_NOT_AVAILABLE = "55P03"
# Of a long audit each batch would start processes of the server's, which takes longer than the batch.
_ONE_PROCESS = text("SET LOCAL max_parallel_workers_per_gather = 0")


@dataclass(frozen=True, slots=True)
class Sealed:
    """An event with its seal, as the chain binds them.

    Attributes:
        before: the hash that its own follows; empty for the first event.
        event: its columns as they were hashed, in the table's order: `seq` first, the instant as text.
    """

    position: int
    hash: str
    before: str
    event: tuple[Any, ...]


def seal(session: Session, key: bytes, now: datetime) -> int:
    """Seals up to `BATCH` events, oldest first; returns how many, 0 when there is nothing left to do now.

    Raises AuditBrokenError when the marks are not this key's: nothing may be chained to them.
    """
    chain = Chain(key)
    if not _more(session, marks(session, chain).head.seq) or not _alone(session):
        return 0
    link = marks(session, chain).head  # again: another sealer may have moved it
    seals = []
    for row in session.execute(
        select(*columns(session))
        .where(audit_events.c.seq > link.seq)
        .order_by(audit_events.c.seq)
        .limit(BATCH)
    ):
        link = chain.follow(link, row)
        seals.append({"position": link.position, "event_id": link.seq, "hash": link.hash})
    if not seals:
        return 0
    session.execute(insert(audit_seals), seals)
    chain.set_head(session, link, now)
    return len(seals)


def position_of(session: Session, seq: int) -> int | None:
    """Where an event stands in the chain; None while no seal covers it, or when it is gone."""
    query = select(audit_seals.c.position).where(audit_seals.c.event_id == seq)
    return session.execute(query).scalar_one_or_none()


def find(session: Session, key: bytes, seqs: Collection[int]) -> list[Sealed]:
    """These events with their seals, by position; those that no seal covers, and those that are gone, are left out.

    Nothing is checked: `Chain.follow` does, from `before` on. Raises AuditBrokenError when the marks are not this key's.
    """
    base = marks(session, Chain(key)).base
    positions = select(audit_seals.c.position).where(audit_seals.c.event_id.in_(seqs))
    found = []
    for position in session.execute(positions.order_by(audit_seals.c.position)).scalars().all():
        query = select(audit_seals.c.hash).where(audit_seals.c.position == position - 1)
        before = base.hash if position == base.position + 1 else session.execute(query).scalar_one()
        (row,) = rows(session, position - 1, 1)
        found.append(Sealed(position, row[1], before, tuple(row[3:])))
    return found


def walk(session: Session, after: int, *, batch: int) -> Generator[Columns]:
    """What is sealed beyond a position, in order: position, hash, event_id, then the event's columns, NULL if it is gone.

    In flat memory: the server looks up one batch while the one before is looked at. The session is the walk's until it is
    over or closed. Raises BrokenError when a row cannot be read.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_ONE_PROCESS)
    size = batch
    with ThreadPoolExecutor(1, thread_name_prefix="seals") as ahead:
        coming = ahead.submit(rows, session, after, size)
        while True:
            try:
                found = coming.result()
            except DBAPIError:
                if size == 1:
                    raise BrokenError(f"what follows seal {after} cannot be read") from None
                size = 1  # to name the row
                coming = ahead.submit(rows, session, after, size)
                continue
            if len(found) == size:
                after = found[-1][0]
                coming = ahead.submit(rows, session, after, size)
            yield from found
            if len(found) < size:
                return


def follow(chain: Chain, link: Link, row: Columns) -> Link:
    """The link of the row that `walk` gave after `link`. Raises BrokenError when it is not the one that was sealed."""
    position, stored, event_id, *event = row
    if position != link.position + 1:
        raise BrokenError(f"seal {link.position + 1} is missing", position=link.position + 1)
    if event[0] is None:
        raise BrokenError(f"event {event_id} was removed", seq=event_id, position=position)
    found = chain.follow(link, event)
    if stored != found.hash:
        raise BrokenError(f"event {event_id} or its seal was changed", seq=event_id, position=position)
    return found


def marks(session: Session, chain: Chain) -> Marks:
    """Where the chain begins and ends. Raises AuditBrokenError when the marks are not this key's."""
    try:
        return chain.marks(session)
    except BrokenError as problem:
        raise AuditBrokenError(
            f"nothing can be sealed, proven or purged: {problem}", fix="see `chat-hygiene audit verify`"
        ) from None


def rows(session: Session, after: int, limit: int) -> list[Columns]:
    """The next seals beyond a position as `walk` gives them, at most `limit`."""
    wanted = (
        select(audit_seals.c.position, audit_seals.c.hash, audit_seals.c.event_id, *columns(session))
        .join_from(audit_seals, audit_events, isouter=True)
        .where(audit_seals.c.position > after)
        .order_by(audit_seals.c.position)
        .limit(limit)
    )
    return list(session.execute(wanted).all())


def _alone(session: Session) -> bool:
    """Waits until no transaction that wrote events is open, so that no lower number can appear any more."""
    if session.get_bind().dialect.name == "sqlite":
        return True  # the only writer
    try:
        with session.begin_nested():
            session.execute(_PATIENCE)
            session.execute(_ALONE)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


def _more(session: Session, seq: int) -> bool:
    wanted = select(audit_events.c.seq).where(audit_events.c.seq > seq).limit(1)
    return session.execute(wanted).first() is not None
