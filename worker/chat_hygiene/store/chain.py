"""The chain as such: links, how one is made of an event, and the two marks that say where it begins and ends.

Each hash is an HMAC over the hash before it, the position, and every column of the event. The marks stand in `switches`,
signed with the same key: the head says where the chain ends, the checkpoint from where on it is still there, because what
came before was removed when its time was over.
"""

import hmac
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import NoneType
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Text, exists, func, select, type_coerce, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chat_hygiene.store.tables import audit_events, audit_seals, switches

HEAD = "audit_head"
CHECKPOINT = "audit_checkpoint"
_FORMAT = "chat-hygiene-audit-1"
# A JSON array keeps apart what a plain join would run together; SQLite may hold bytes where text belongs.
_encode = json.JSONEncoder(
    separators=(",", ":"), check_circular=False, default=lambda value: {"bytes": value.hex()}
).encode
# What an event consists of unless somebody put something else there.
_USUAL = frozenset({str, int, NoneType})


class Link(NamedTuple):
    """A place in the chain: the position, its event's `seq`, its hash. The default is the place before the first event."""

    position: int = 0
    seq: int = 0
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """Where the chain begins and ends. `purged_at` is when what came before `base` was removed, if it was."""

    base: Link
    head: Link
    purged_at: datetime | None


class BrokenError(Exception):
    """The chain does not hold; names the first row that shows it."""

    def __init__(self, problem: str, *, seq: int | None = None, position: int | None = None) -> None:
        super().__init__(problem)
        self.seq, self.position = seq, position


class Chain:
    """Makes and checks links with one key."""

    def __init__(self, key: bytes) -> None:
        self._empty = hmac.new(key, digestmod="sha256")

    def follow(self, link: Link, event: Sequence[Any]) -> Link:
        """The link of the event that comes next; `event` has its columns in the table's order, `seq` first."""
        position = link.position + 1
        return Link(position, event[0], self._hmac([_FORMAT, link.hash, position, *event]))

    @property
    def fingerprint(self) -> str:
        """Tells one key from another, and nothing about it."""
        return self._hmac([_FORMAT, "fingerprint"])[:16]

    def marks(self, session: Session) -> Marks:
        """Both marks. Raises BrokenError when one is missing, or was not written with this key."""
        # One statement, so one snapshot: between two, another sealer could make the first seals.
        wanted = select(
            switches.c.name, switches.c.detail, switches.c.at, exists(audit_seals.c.position)
        ).where(switches.c.name.in_([HEAD, CHECKPOINT]))
        try:
            rows = {row[0]: row for row in session.execute(wanted)}
        except (DBAPIError, ValueError, TypeError):
            raise BrokenError("the head of the chain or its checkpoint is unreadable") from None
        for name, words in ((HEAD, "head"), (CHECKPOINT, "checkpoint")):
            if name not in rows:
                raise BrokenError(f"the {words} of the chain is missing")
        _, head, _, sealed = rows[HEAD]
        _, checkpoint, purged_at, _ = rows[CHECKPOINT]
        if head is None and (sealed or checkpoint is not None):
            raise BrokenError("the head of the chain is missing")
        base = self._mark(CHECKPOINT, checkpoint, purged_at)
        marks = Marks(base, self._mark(HEAD, head, None), purged_at if base.position else None)
        if marks.head.position < marks.base.position:
            raise BrokenError(f"the chain ends at {marks.head.position}, before its checkpoint")
        return marks

    def set_head(self, session: Session, link: Link, now: datetime) -> None:
        """The chain ends here."""
        self._set(session, HEAD, link, now, None)

    def set_checkpoint(self, session: Session, link: Link, now: datetime) -> None:
        """What the chain still holds follows this link; everything up to it is removed now."""
        self._set(session, CHECKPOINT, link, now, now)

    def _set(
        self, session: Session, name: str, link: Link, now: datetime, signed_at: datetime | None
    ) -> None:
        mac = self._mac(name, link, signed_at)
        detail = {"position": link.position, "seq": link.seq, "hash": link.hash, "mac": mac}
        session.execute(update(switches).where(switches.c.name == name).values(detail=detail, at=now))

    def _mark(self, name: str, detail: object, signed_at: datetime | None) -> Link:
        match detail:
            case None:
                return Link()
            case {"position": int(position), "seq": int(seq), "hash": str(last), "mac": str(mac)}:
                link = Link(position, seq, last)
                if mac == self._mac(name, link, signed_at):
                    return link
        raise BrokenError(
            f"the {name.removeprefix('audit_')} of the chain was changed,"
            " or CHAT_HYGIENE_AUDIT_KEY is not the key that sealed it"
        )

    def _mac(self, name: str, link: Link, signed_at: datetime | None) -> str:
        values = [_FORMAT, name.removeprefix("audit_"), link.position, link.seq, link.hash]
        return self._hmac(values if signed_at is None else [*values, signed_at.astimezone(UTC).isoformat()])

    def _hmac(self, values: list[Any]) -> str:
        digest = self._empty.copy()
        digest.update(encoded(values))
        return digest.hexdigest()


def encoded(values: list[Any]) -> bytes:
    """A JSON array in ASCII without spaces, as Python's `json` writes it; bytes as an object of their hexadecimal digits.

    orjson takes a tenth of the time and writes the usual values alike, unless it leaves a character as it is that `json`
    would escape.
    """
    if _USUAL.issuperset(map(type, values)):
        with suppress(TypeError):  # an integer beyond 64 bits, half a surrogate pair
            quick = orjson.dumps(values)
            if quick.isascii() and b"\x7f" not in quick:
                return quick
    return _encode(values).encode()


def columns(session: Session) -> list[ColumnElement[Any]]:
    """Every column of an event, `seq` first; the instant as the one text that both engines agree on.

    It is never parsed, so that another spelling of the same instant is a change, and an unreadable one too.
    """
    if session.get_bind().dialect.name == "sqlite":
        at: ColumnElement[Any] = type_coerce(audit_events.c.at, Text)
    else:
        utc = func.timezone("UTC", audit_events.c.at)
        at = func.replace(func.to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"BC'), "AD", "")
    return [at if column is audit_events.c.at else column for column in audit_events.c]
