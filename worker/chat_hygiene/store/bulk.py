"""A page of chats in one statement each: looked up, inserted, changed, marked as seen.

In the engine's own SQL and with the driver's own values, because a page of a thousand chats costs more on the way to a
database than in it. SQLite takes rows quickest as values, PostgreSQL as one document.
"""

# ruff: noqa: S608 - what is put into the statements is the names of our own columns

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any

import orjson
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from chat_hygiene.store.shown import COLUMNS, INSTANTS, Shown
from chat_hygiene.store.tables import chats
from chat_hygiene.store.types import as_text, as_texts

Values = tuple[Any, ...]
Row = tuple[Values, Shown]
"""A row to write: of a new one the values of `_NEW` before `COLUMNS`, of a changed one its id and wid; and what it shows."""
Found = tuple[int, str | None, bool, bool, Shown]
"""A row that is there: its id and wid, whether it is removed, whether it is missing, and what it shows. Nothing but a tuple,
because a page finds a thousand.
"""

_NEW = ("device_id", "wid", "chat_ref", "key_id", "chat_hint", "synced_at", "seen_sweep", *COLUMNS)
_CHANGED = ("id", "wid", *COLUMNS)
_ABOUT = "id, wid, removed_at IS NOT NULL, missing_since IS NOT NULL"
_HINT = "CASE WHEN hinted_at <= {} THEN NULL ELSE hinted_at END"

_FIRST = len(INSTANTS)
_AT_ONCE = (500, 100, 20, 4, 1)
"""Rows in one INSERT of SQLite's. The more, the longer another thread can read the next page beside it; of a few sizes,
because each is a statement that the driver keeps.
"""

# An account has few sets of labels, and they come again and again.
_written = lru_cache(maxsize=256)(json.dumps)
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=256)
def _read(labels: str) -> tuple[str, ...]:
    return tuple(json.loads(labels))


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
        rows = self._rows(self._find.format(column=column), (device_id, self._list(names)))
        if not rows:
            return {}
        # By columns, here and in `_whole`: a loop over the values of each row takes twice as long.
        found, ids, wids, removed, missing, *columns = zip(*rows, strict=True)
        return dict(zip(found, zip(ids, wids, removed, missing, _shown(columns), strict=True), strict=True))

    def see(self, ids: Collection[int], *, sweep: int, read_at: datetime) -> None:
        """Marks rows as seen by a sweep. A hint that came before this read is followed by it."""
        if ids:
            at = self.instant(read_at)
            self._run(self._see, (sweep, at, at, self._list(ids)))

    def insert(self, rows: Sequence[Row]) -> None:
        """Inserts rows; what somebody else inserted meanwhile stays as it is."""
        if rows:
            self._insert(self._whole(rows))

    def change(self, rows: Sequence[Row]) -> None:
        """Has rows show something else; none of them is missing any more."""
        if rows:
            self._change(self._whole(rows))

    @abstractmethod
    def instant(self, at: datetime) -> object:
        """The driver's form of an instant."""

    def _whole(self, rows: Sequence[Row]) -> list[Values]:
        about, shown = zip(*rows, strict=True)
        columns = self._columns(list(zip(*shown, strict=True)))
        return list(zip(*zip(*about, strict=True), *columns, strict=True))

    @abstractmethod
    def _columns(self, shown: Sequence[Values]) -> Iterable[Iterable[Any]]:
        """The driver's form of what rows show, column by column."""

    @abstractmethod
    def _rows(self, query: str, values: Values) -> Sequence[Sequence[Any]]:
        """What a query finds."""

    @abstractmethod
    def _list(self, names: Collection[Any]) -> object:
        """The driver's form of a list."""

    @abstractmethod
    def _insert(self, rows: Sequence[Values]) -> None: ...

    @abstractmethod
    def _change(self, rows: Sequence[Values]) -> None: ...


class _Sqlite(Bulk):
    _AMONG = "IN (SELECT value FROM json_each(?))"
    # As one document: between two rows its thread would wait for its turn, as between two statements.
    _find = (
        f"SELECT json_group_array(json_array({{column}}, {_ABOUT}, {', '.join(COLUMNS)})) FROM chats"
        f" WHERE device_id = ? AND {{column}} {_AMONG}"
    )
    _see = (
        f"UPDATE chats SET seen_sweep = ?, synced_at = ?, hinted_at = {_HINT.format('?')} WHERE id {_AMONG}"
    )
    _write = f"UPDATE chats SET {', '.join(f'{name} = ?' for name in _CHANGED[1:])}, missing_since = NULL WHERE id = ?"

    def instant(self, at: datetime) -> str:
        return as_text(at)

    def _columns(self, shown: Sequence[Values]) -> Iterable[Iterable[Any]]:
        return (*map(as_texts, shown[:_FIRST]), *shown[_FIRST:-1], map(_written, shown[-1]))

    def _rows(self, query: str, values: Values) -> Sequence[Sequence[Any]]:
        rows: list[list[Any]] = orjson.loads(self._run(query, values).scalar_one())
        return rows

    def _list(self, names: Collection[Any]) -> str:
        return orjson.dumps(list(names)).decode()

    def _insert(self, rows: Sequence[Values]) -> None:
        first = 0
        for size in _AT_ONCE:
            while len(rows) - first >= size:
                some = rows[first : first + size]
                self._run(_inserts(size), tuple(chain.from_iterable(some)))
                first += size

    def _change(self, rows: Sequence[Values]) -> None:
        self._run(self._write, [(*row[1:], row[0]) for row in rows])


class _Postgresql(Bulk):
    # Read as SQLite has them: the driver would decode each row's labels anew, which takes as long as all else of the row.
    _SHOWN = ", ".join(f"{name}::text" if name in {*INSTANTS, "labels"} else name for name in COLUMNS)
    _find = (
        f"SELECT {{column}}, {_ABOUT}, {_SHOWN} FROM chats WHERE device_id = %s AND {{column}} = ANY(%s)"
        " ORDER BY id FOR UPDATE"
    )
    _see = f"UPDATE chats SET seen_sweep = %s, synced_at = %s, hinted_at = {_HINT.format('%s')} WHERE id = ANY(%s)"

    def instant(self, at: datetime) -> datetime:
        return at

    def _columns(self, shown: Sequence[Values]) -> Iterable[Iterable[Any]]:
        return shown

    def _rows(self, query: str, values: Values) -> Sequence[Sequence[Any]]:
        return self._run(query, values).all()

    def _list(self, names: Collection[Any]) -> list[Any]:
        return list(names)

    def _insert(self, rows: Sequence[Values]) -> None:
        names = ", ".join(_NEW)
        self._run_with(
            f"INSERT INTO chats ({names}) SELECT {names} FROM {{page}} ON CONFLICT DO NOTHING", _NEW, rows
        )

    def _change(self, rows: Sequence[Values]) -> None:
        changes = ", ".join(f"{name} = page.{name}" for name in _CHANGED[1:])
        self._run_with(
            f"UPDATE chats SET {changes}, missing_since = NULL FROM {{page}} WHERE chats.id = page.id",
            _CHANGED,
            rows,
        )

    def _run_with(self, statement: str, names: Sequence[str], rows: Sequence[Values]) -> None:
        page = orjson.dumps([dict(zip(names, row, strict=True)) for row in rows])
        self._run(statement.format(page=_as_table(names)), (page.decode(),))


def _shown(columns: Sequence[Sequence[Any]]) -> Iterable[Shown]:
    """What rows show, of the columns that the driver read."""
    instants = (
        [None if at is None else datetime.fromisoformat(at) for at in read] for read in columns[:_FIRST]
    )
    return zip(*instants, *columns[_FIRST:-1], map(_read, columns[-1]), strict=True)


@lru_cache(maxsize=len(_AT_ONCE))
def _inserts(rows: int) -> str:
    row = f"({', '.join('?' * len(_NEW))})"
    return f"INSERT INTO chats ({', '.join(_NEW)}) VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"


def _as_table(names: Sequence[str]) -> str:
    types = (chats.c[name].type.compile(_DIALECT) for name in names)
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
    return f"json_to_recordset(CAST(%s AS json)) AS page ({columns})"


def bulk(session: Session) -> Bulk:
    """The statements in this transaction, on its engine."""
    connection = session.connection()
    return (_Sqlite if connection.dialect.name == "sqlite" else _Postgresql)(connection)
