"""What a sync is compared with: the same rows, already in hand, into the same table by the best statement of each engine."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, insert, select, text

from bench import account
from chat_hygiene.store.pseudonyms import Pseudonyms, hint
from chat_hygiene.store.tables import chats, devices
from chat_hygiene.store.types import as_text

PROVIDER = "wassenger"
_KEPT = ("device_id", "wid", "chat_ref", "key_id", "chat_hint")
_TYPES = {
    "device_id": "bigint",
    "wid": "text",
    "kind": "text",
    "name": "text",
    "status": "text",
    "whatsapp_status": "text",
    "status_updated_at": "timestamptz",
    "first_message_at": "timestamptz",
    "last_message_at": "timestamptz",
    "last_inbound_at": "timestamptz",
    "last_outbound_at": "timestamptz",
    "unread": "boolean",
    "pinned": "boolean",
    "muted": "boolean",
    "archived": "boolean",
    "locked": "boolean",
    "assigned": "boolean",
    "agent": "text",
    "department": "text",
    "labels": "jsonb",
    "chat_ref": "text",
    "key_id": "text",
    "chat_hint": "text",
    "synced_at": "timestamptz",
    "seen_sweep": "bigint",
}
_COLUMNS = ", ".join(_TYPES)
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in _TYPES if name not in _KEPT)
_CONFLICT = f"ON CONFLICT (device_id, wid) DO UPDATE SET {_CHANGES}"
_SQLITE = f"INSERT INTO chats ({_COLUMNS}) VALUES ({', '.join('?' * len(_TYPES))}) {_CONFLICT}"
_POSTGRESQL = (
    f"INSERT INTO chats ({_COLUMNS}) SELECT {_COLUMNS} FROM jsonb_to_recordset(%s::jsonb) AS page"
    f" ({', '.join(f'{name} {kind}' for name, kind in _TYPES.items())}) {_CONFLICT}"
)

Row = tuple[Any, ...]


def rows(chats: int) -> list[Row]:
    """What a sync of the account has to store, read naively from the account itself, in the order of `_TYPES`."""
    pseudonyms = Pseudonyms({"1": account.KEY.encode()})
    synced = datetime.now(UTC)
    found = []
    for record in map(account.chat, range(chats)):
        meta, agent, muted = record["meta"], record["owner"]["agent"], None
        moments = (
            "statusUpdated",
            "firstMessage",
            "lastMessage",
            "lastInboundMessage",
            "lastOutboundMessage",
        )
        found.append(
            (
                1,
                record["id"],
                *(record[name] for name in ("type", "name", "status", "waStatus")),
                *(datetime.fromisoformat(record[f"{name}At"]) for name in moments),
                meta["isUnread"],
                meta["isPinned"],
                muted,
                meta["isArchived"],
                meta["isLocked"],
                agent is not None,
                agent,
                None,
                record["labels"],
                *pseudonyms.ref(PROVIDER, account.DEVICE, record["id"]),
                hint(record["id"]),
                synced,
                1,
            )
        )
    return found


def add_device(engine: Engine) -> None:
    """The number that the rows belong to."""
    with engine.begin() as connection:
        connection.execute(insert(devices).values(id=1, provider=PROVIDER, device=account.DEVICE))


def upsert(engine: Engine, given: Sequence[Row], *, batch: int) -> None:
    """Stores them, a batch in a transaction."""
    write = _sqlite if engine.dialect.name == "sqlite" else _postgresql
    connection = engine.raw_connection()
    cursor = connection.cursor()
    for some in _batches(given, batch):
        write(cursor, some)
    connection.close()


def empty(engine: Engine) -> None:
    """Takes all chats out."""
    postgresql = engine.dialect.name == "postgresql"
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE chats CASCADE" if postgresql else "DELETE FROM chats"))


def shown(row: Row) -> Row:
    """What there is to compare of a row: all but when it was read, and by which sweep."""
    return row[:-2]


def stored(engine: Engine) -> list[Row]:
    """The same of every row in the table."""
    with engine.connect() as connection:
        query = select(*(chats.c[name] for name in _TYPES)).order_by(chats.c.wid)
        return [shown(tuple(row)) for row in connection.execute(query)]


def _batches(given: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    return (given[first : first + size] for first in range(0, len(given), size))


def _sqlite(cursor: Any, some: Sequence[Row]) -> None:
    cursor.execute("BEGIN IMMEDIATE")
    cursor.executemany(_SQLITE, [_written(row) for row in some])
    cursor.execute("COMMIT")


def _written(row: Row) -> Row:
    """As SQLite takes it: instants as text, labels as a document."""
    first, instants, facts, (labels, *names) = row[:6], row[6:11], row[11:19], row[19:-2]
    return (*first, *map(as_text, instants), *facts, _document(tuple(labels)), *names, _at(row[-2]), row[-1])


_document, _at = lru_cache(json.dumps), lru_cache(as_text)


def _postgresql(cursor: Any, some: Sequence[Row]) -> None:
    page = json.dumps([dict(zip(_TYPES, row, strict=True)) for row in some], default=datetime.isoformat)
    cursor.execute(_POSTGRESQL, [page])
    cursor.connection.commit()
