"""Connections to the database, and the two kinds of transaction.

    with sessions.begin() as session:      writes: SQLite's write lock is taken first, by BEGIN IMMEDIATE
    with reading(sessions) as session:     reads: one snapshot, no write lock; a write raises

A transaction that reads first and writes later would, with SQLite's default, fail or lose an update under
threads. So a writer says so at BEGIN, and a reader never stands in a writer's way.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from sqlite3 import OperationalError as SqliteError
from typing import Any

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session, sessionmaker

from chat_hygiene.core.errors import DatabaseError

LOCK_TIMEOUT_SECONDS = 30

_READER: dict[str, dict[str, Any]] = {
    "sqlite": {"read_only": True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}

# A forgotten transaction must not hold the gate's lock for long; no statement of ours is near two minutes.
_POSTGRESQL_OPTIONS = {
    "timezone": "UTC",
    "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
    "statement_timeout": "120s",
    "idle_in_transaction_session_timeout": "60s",
}

# A server whose machine vanished is noticed after a minute, not after the hours that the system would wait.
_POSTGRESQL_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

# Of SQLite's errors those that speak of the file or of its lock, not of our SQL.
_SQLITE_REASONS = {
    "SQLITE_BUSY": f"another process has held its write lock for {LOCK_TIMEOUT_SECONDS} s",
    "SQLITE_CANTOPEN": "the file cannot be opened or created",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "the disk reports an error",
    "SQLITE_NOTADB": "the file is not an SQLite database",
    "SQLITE_READONLY": "the file or its folder may not be written",
}


def create_engine(url: str) -> Engine:
    """An engine for `sqlite:///FILE` or `postgresql+psycopg://…`; connects when first used.

    Whatever is done with it raises DatabaseError when the database cannot be reached. No error shows the values of a
    statement: they may be phone numbers.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = sqlalchemy.create_engine(
            parsed,
            hide_parameters=True,
            connect_args={"isolation_level": None, "timeout": LOCK_TIMEOUT_SECONDS},
        )
        event.listen(engine, "do_connect", _make_private)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        options = " ".join(f"-c {name}={value}" for name, value in _POSTGRESQL_OPTIONS.items())
        engine = sqlalchemy.create_engine(
            parsed,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={
                "application_name": "chat-hygiene",
                "connect_timeout": 10,
                "options": options,
                **_POSTGRESQL_KEEPALIVE,
            },
        )
    event.listen(engine, "handle_error", _say_unreachable)
    return engine


def sessions(engine: Engine) -> sessionmaker[Session]:
    """The factory of transactions: `.begin()` for a writer, `reading()` for a reader."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def reading(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """A read-only transaction over one snapshot, which takes no write lock and waits for none."""
    with sessions.begin() as session:
        session.connection(execution_options=_READER[session.get_bind().dialect.name])
        yield session


def _make_private(_dialect: object, _record: object, words: list[Any], _options: dict[str, Any]) -> None:
    # SQLite makes a new file readable for everybody; it gives those beside it the mode that this one has. A file that is
    # there keeps its mode, and what else is wrong SQLite says itself.
    with suppress(OSError):
        os.close(os.open(words[0], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    if cursor.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        _use_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _use_wal(cursor: Any) -> None:  # noqa: ANN401 - the driver's cursor
    # Of two that change the mode of a new file at once, SQLite turns one away without waiting.
    # Waiting for the exclusive lock is waiting for the other to be done.
    for _ in range(LOCK_TIMEOUT_SECONDS):
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except SqliteError as error:
            if error.sqlite_errorname != "SQLITE_BUSY":
                raise
            cursor.execute("BEGIN EXCLUSIVE")
            cursor.execute("COMMIT")
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    read_only = _read_only(connection)
    connection.exec_driver_sql(f"PRAGMA query_only = {int(read_only)}")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _read_only(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("read_only"))


def _say_unreachable(context: ExceptionContext) -> DatabaseError | None:
    if context.engine is None:
        return None
    url, error = context.engine.url, context.original_exception
    if url.get_backend_name() == "sqlite":
        reason = _sqlite_reason(
            error, read_only=context.connection is not None and _read_only(context.connection)
        )
        return DatabaseError(f"the database {url.database} cannot be used: {reason}") if reason else None
    if context.connection is not None and not context.is_disconnect:
        return None
    return DatabaseError(
        f"the database {_address(url)} cannot be reached: {_reason(url, error)}",
        fix="check that it runs, and CHAT_HYGIENE_DATABASE_URL",
    )


def _sqlite_reason(error: BaseException, *, read_only: bool) -> str | None:
    code = getattr(error, "sqlite_errorname", "")
    if read_only and code == "SQLITE_READONLY":
        return None  # the transaction may not write; the file could
    return next((reason for name, reason in _SQLITE_REASONS.items() if code.startswith(name)), None)


def _address(url: URL) -> str:
    host = url.host or url.query.get("host", "localhost")
    return f"{url.database} at {host}:{url.port or 5432}"


def _reason(url: URL, error: BaseException) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    for secret in (url.password, url.query.get("password")):
        if secret:
            words = words.replace(str(secret), "***")
    return words
