"""The chain over the audit: every sealed event is bound, with a key, to all events before it.

A seal's hash covers the hash before it, its position, and every column of its event, so no event can be edited, removed,
inserted or moved without the key. The head (in `switches`) says where the chain ends, so a cut tail shows as well.
Events that no seal covers yet are "not yet proven", never wrong. Who can replace the whole ledger by an older copy of
it, or empty it, cannot be found out from within: keep an exported verdict elsewhere for that.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Text, exists, func, insert, select, text, type_coerce, update
from sqlalchemy.exc import DBAPIError, NoResultFound, OperationalError
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import AuditBrokenError
from chat_hygiene.store.tables import audit_events, audit_seals, switches

BATCH = 1000
_FORMAT = "chat-hygiene-audit-1"
_HEAD = "audit_head"
# Shared by all transactions that write events (a trigger sees to it), see migration 0003.
_ALONE = text("SELECT pg_advisory_xact_lock(7236417082)")
# New events queue behind a waiting sealer: it waits briefly, and seals the next time.
_PATIENCE = text("SET LOCAL lock_timeout = '3s'")
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found. `problem` names the first row that does not hold, `seq` its event, `position` its seal."""

    ok: bool
    sealed: int
    """Events proven, up to the problem if there is one."""
    unsealed: int
    """Events that no seal covers yet."""
    problem: str | None = None
    seq: int | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class _Link:
    """Where the chain stands."""

    position: int = 0
    seq: int = 0
    hash: str = ""


_UNSEALED = ~exists().where(audit_seals.c.event_id == audit_events.c.seq)


class _BrokenError(Exception):
    def __init__(self, problem: str, *, seq: int | None = None, position: int | None = None) -> None:
        super().__init__(problem)
        self.seq, self.position = seq, position


def seal(session: Session, key: bytes, now: datetime) -> int:
    """Seals up to `BATCH` events, oldest first; returns how many, 0 when there is nothing left to do now.

    Raises AuditBrokenError when the head is not this key's: nothing may be chained to it.
    """
    try:
        if not _more(session, _head(session, key).seq) or not _alone(session):
            return 0
        link = _head(session, key)  # again: another sealer may have moved it
    except _BrokenError as problem:
        raise AuditBrokenError(f"the audit cannot be sealed: {problem}", fix="see `audit verify`") from None
    seals = []
    for row in session.execute(
        select(*_columns(session))
        .where(audit_events.c.seq > link.seq)
        .order_by(audit_events.c.seq)
        .limit(BATCH)
    ):
        link = _Link(link.position + 1, row[0], _hash(key, link, row))
        seals.append({"position": link.position, "event_id": link.seq, "hash": link.hash})
    if not seals:
        return 0
    session.execute(insert(audit_seals), seals)
    head = {"position": link.position, "seq": link.seq, "hash": link.hash, "mac": _mac(key, link)}
    session.execute(update(switches).where(switches.c.name == _HEAD).values(detail=head, at=now))
    return len(seals)


def verify(session: Session, key: bytes, progress: Callable[[int], None] | None = None) -> Verdict:
    """Recomputes the whole chain, in flat memory; `progress` gets the number of events proven so far.

    Give it a session of `reading()`, so that it sees one snapshot.
    """
    link, broken = _Link(), None
    try:
        head = _head(session, key)
        for row in _sealed(session):
            link = _next(key, link, row)
            if progress is not None and link.position % BATCH == 0:
                progress(link.position)
        _check_end(session, link, head)
    except _BrokenError as problem:
        broken = problem
    unsealed = session.execute(select(func.count()).select_from(audit_events).where(_UNSEALED)).scalar_one()
    if broken is None:
        return Verdict(ok=True, sealed=link.position, unsealed=unsealed)
    return Verdict(
        ok=False,
        sealed=link.position,
        unsealed=unsealed,
        problem=str(broken),
        seq=broken.seq,
        position=broken.position,
    )


def _next(key: bytes, link: _Link, row: Row[Any]) -> _Link:
    position, stored, event_id, *event = tuple(row)
    if position != link.position + 1:
        raise _BrokenError(f"seal {link.position + 1} is missing", position=link.position + 1)
    if event[0] is None:
        raise _BrokenError(f"event {event_id} was removed", seq=event_id, position=position)
    if stored != _hash(key, link, event):
        raise _BrokenError(f"event {event_id} or its seal was changed", seq=event_id, position=position)
    return _Link(position, event_id, stored)


def _check_end(session: Session, link: _Link, head: _Link) -> None:
    if link.position < head.position:
        first = link.position + 1
        raise _BrokenError(
            f"the end was cut off: seals {first} to {head.position} are missing", position=first
        )
    if link != head:
        raise _BrokenError(
            f"the chain goes on beyond its head at {head.position}", position=head.position + 1
        )
    inserted = session.execute(
        select(func.min(audit_events.c.seq)).where(audit_events.c.seq <= head.seq, _UNSEALED)
    ).scalar_one()
    if inserted is not None:
        raise _BrokenError(f"event {inserted} was inserted among sealed ones", seq=inserted)


def _head(session: Session, key: bytes) -> _Link:
    # One statement, so one snapshot: between two, another sealer could make the first seals.
    wanted = select(switches.c.detail, exists(audit_seals.c.position)).where(switches.c.name == _HEAD)
    try:
        detail, sealed = session.execute(wanted).one()
    except (NoResultFound, DBAPIError, ValueError, TypeError):
        raise _BrokenError("the head of the chain is missing or unreadable") from None
    if detail is None:
        if sealed:
            raise _BrokenError("the head of the chain is missing")
        return _Link()
    match detail:
        case {"position": int(position), "seq": int(seq), "hash": str(last), "mac": str(mac)}:
            link = _Link(position, seq, last)
            if mac == _mac(key, link):
                return link
    raise _BrokenError(
        "the head of the chain was changed, or CHAT_HYGIENE_AUDIT_KEY is not the key that sealed it"
    )


def _sealed(session: Session) -> Iterator[Row[Any]]:
    wanted = (
        select(audit_seals.c.position, audit_seals.c.hash, audit_seals.c.event_id, *_columns(session))
        .join_from(audit_seals, audit_events, isouter=True)
        .order_by(audit_seals.c.position)
    )
    done, size = None, BATCH
    while True:
        batch = wanted if done is None else wanted.where(audit_seals.c.position > done)
        try:
            rows = session.execute(batch.limit(size)).all()
        except DBAPIError:
            if size == 1:
                raise _BrokenError(f"what follows seal {done or 0} cannot be read") from None
            size = 1  # to name the row
            continue
        yield from rows
        if len(rows) < size:
            return
        done = rows[-1][0]


def _columns(session: Session) -> list[ColumnElement[Any]]:
    """Every column of an event, `seq` first; the instant as the one text that both engines agree on.

    It is never parsed, so that another spelling of the same instant is a change, and an unreadable one too.
    """
    if session.get_bind().dialect.name == "sqlite":
        at: ColumnElement[Any] = type_coerce(audit_events.c.at, Text)
    else:
        utc = func.timezone("UTC", audit_events.c.at)
        at = func.replace(func.to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"BC'), "AD", "")
    return [at if column is audit_events.c.at else column for column in audit_events.c]


def _hash(key: bytes, link: _Link, event: Sequence[Any]) -> str:
    return _hmac(key, [_FORMAT, link.hash, link.position + 1, *event])


def _mac(key: bytes, head: _Link) -> str:
    return _hmac(key, [_FORMAT, "head", head.position, head.seq, head.hash])


def _hmac(key: bytes, values: list[Any]) -> str:
    # A JSON array keeps apart what a plain join would run together; SQLite may hold bytes where text belongs.
    message = json.dumps(values, separators=(",", ":"), default=lambda value: {"bytes": value.hex()})
    return hmac.digest(key, message.encode(), hashlib.sha256).hex()


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
