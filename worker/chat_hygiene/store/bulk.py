"""A page of chats in one statement each: looked up, inserted, changed, marked as seen.

In the engine's own SQL and with the driver's own values, because a page of a thousand chats costs more on the way to a
database than in it. SQLite takes rows quickest as values, PostgreSQL as one document.
"""

# ruff: noqa: S608 - what is put into the statements is the names of our own columns

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from chat_hygiene.store.shown import COLUMNS, INSTANTS, Shown
from chat_hygiene.store.tables import chats
from chat_hygiene.store.types import as_text

NEW = ("device_id", "wid", "chat_ref", "key_id", "chat_hint", "synced_at", "seen_sweep", *COLUMNS)
"""The columns of a new row."""
CHANGED = ("id", "wid", *COLUMNS)
"""Those of a changed row; the first one tells which."""

Values = tuple[Any, ...]

_FIND = f"id, wid, removed_at IS NOT NULL, missing_since IS NOT NULL, {', '.join(COLUMNS)} FROM chats"
_HINT = "CASE WHEN hinted_at <= {} THEN NULL ELSE hinted_at END"

_FIRST = len(INSTANTS)
_AT_ONCE = 100
"""Rows in one INSERT of SQLite's. After each statement its thread waits for its turn, while another one reads the next page."""

# An account has few sets of labels, and they come again and again.
_written = lru_cache(maxsize=256)(json.dumps)
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=256)
def _read(labels: str) -> tuple[str, ...]:
    return tuple(json.loads(labels))


class Found(NamedTuple):
    """A row that is there."""

    id: int
    wid: str | None
    removed: bool
    missing: bool
    shown: Shown


class Bulk(ABC):
    """The statements in one transaction."""

    _find: str
    _see: str

    def __init__(self, connection: Connection) -> None:
        self._run = connection.exec_driver_sql

    def find(self, device_id: int, column: str, names: Collection[str]) -> dict[str, Found]:
        """The number's rows whose `column`, `wid` or `chat_ref`, is one of these names, by that name; locked."""
        if not names:
            return {}
        rows = self._run(self._find.format(column=column), (device_id, self._list(names))).all()
        return {row[0]: Found(row[1], row[2], row[3], row[4], self._shown(row[5:])) for row in rows}

    def see(self, ids: Collection[int], *, sweep: int, read_at: datetime) -> None:
        """Marks rows as seen by a sweep. A hint that came before this read is followed by it."""
        if ids:
            at = self.instant(read_at)
            self._run(self._see, (sweep, at, at, self._list(ids)))

    @abstractmethod
    def insert(self, rows: Sequence[Values]) -> None:
        """Inserts rows of `NEW`; what somebody else inserted meanwhile stays as it is."""

    @abstractmethod
    def change(self, rows: Sequence[Values]) -> None:
        """Writes rows of `CHANGED`; none of them is missing any more."""

    @abstractmethod
    def form(self, shown: Shown) -> Shown:
        """The driver's form of what an answer shows."""

    @abstractmethod
    def _shown(self, form: Shown) -> Shown:
        """What a row shows, of the driver's form."""

    @abstractmethod
    def instant(self, at: datetime) -> object:
        """The driver's form of an instant."""

    @abstractmethod
    def _list(self, names: Collection[Any]) -> object:
        """The driver's form of a list."""


class _Sqlite(Bulk):
    _AMONG = "IN (SELECT value FROM json_each(?))"
    _find = f"SELECT {{column}}, {_FIND} WHERE device_id = ? AND {{column}} {_AMONG}"
    _see = (
        f"UPDATE chats SET seen_sweep = ?, synced_at = ?, hinted_at = {_HINT.format('?')} WHERE id {_AMONG}"
    )
    _change = f"UPDATE chats SET {', '.join(f'{name} = ?' for name in CHANGED[1:])}, missing_since = NULL WHERE id = ?"

    def insert(self, rows: Sequence[Values]) -> None:
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            self._run(_insert(len(some)), tuple(chain.from_iterable(some)))

    def change(self, rows: Sequence[Values]) -> None:
        if rows:
            self._run(self._change, [(*row[1:], row[0]) for row in rows])

    def form(self, shown: Shown) -> Shown:
        instants = [None if at is None else as_text(at) for at in shown[:_FIRST]]
        return (*instants, *shown[_FIRST:-1], _written(shown[-1]))

    def _shown(self, form: Shown) -> Shown:
        instants = [None if at is None else datetime.fromisoformat(at) for at in form[:_FIRST]]
        return (*instants, *form[_FIRST:-1], _read(form[-1]))

    def instant(self, at: datetime) -> str:
        return as_text(at)

    def _list(self, names: Collection[Any]) -> str:
        return json.dumps(list(names))


class _Postgresql(Bulk):
    _find = f"SELECT {{column}}, {_FIND} WHERE device_id = %s AND {{column}} = ANY(%s) ORDER BY id FOR UPDATE"
    _see = f"UPDATE chats SET seen_sweep = %s, synced_at = %s, hinted_at = {_HINT.format('%s')} WHERE id = ANY(%s)"

    def insert(self, rows: Sequence[Values]) -> None:
        names = ", ".join(NEW)
        self._run_with(
            f"INSERT INTO chats ({names}) SELECT {names} FROM {{page}} ON CONFLICT DO NOTHING", NEW, rows
        )

    def change(self, rows: Sequence[Values]) -> None:
        changes = ", ".join(f"{name} = page.{name}" for name in CHANGED[1:])
        self._run_with(
            f"UPDATE chats SET {changes}, missing_since = NULL FROM {{page}} WHERE chats.id = page.id",
            CHANGED,
            rows,
        )

    def form(self, shown: Shown) -> Shown:
        return shown

    def _shown(self, form: Shown) -> Shown:
        return (*form[:-1], tuple(form[-1]))

    def instant(self, at: datetime) -> datetime:
        return at

    def _list(self, names: Collection[Any]) -> list[Any]:
        return list(names)

    def _run_with(self, statement: str, names: Sequence[str], rows: Sequence[Values]) -> None:
        if rows:
            page = [dict(zip(names, row, strict=True)) for row in rows]
            self._run(
                statement.format(page=_as_table(names)), (json.dumps(page, default=datetime.isoformat),)
            )


@lru_cache(maxsize=_AT_ONCE)
def _insert(rows: int) -> str:
    row = f"({', '.join('?' * len(NEW))})"
    return f"INSERT INTO chats ({', '.join(NEW)}) VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"


def _as_table(names: Sequence[str]) -> str:
    types = (chats.c[name].type.compile(_DIALECT) for name in names)
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
    return f"jsonb_to_recordset(CAST(%s AS jsonb)) AS page ({columns})"


def bulk(session: Session) -> Bulk:
    """The statements in this transaction, on its engine."""
    connection = session.connection()
    return (_Sqlite if connection.dialect.name == "sqlite" else _Postgresql)(connection)
