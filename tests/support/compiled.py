"""Statements compiled once a test process: each test has engines of its own, and would compile every statement anew.

SQLAlchemy keeps compiled statements per engine and dialect object. Here all engines share one store, and two dialects
of one kind are one key. What is compiled does not depend on the database: both kinds of engine are made in one place.
"""

from typing import Any

import sqlalchemy
from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

_STATEMENTS: LRUCache[Any, Any] = LRUCache(4000)


def share_compiled_statements() -> None:
    """For the rest of this process."""
    make = sqlalchemy.create_engine

    def make_and_share(*args: Any, **options: Any) -> Engine:
        engine = make(*args, **options)
        engine._compiled_cache = _STATEMENTS
        return engine

    sqlalchemy.create_engine = make_and_share
    for kind in (PGDialect_psycopg, SQLiteDialect_pysqlite):
        kind.__hash__ = lambda dialect: hash(type(dialect))  # type: ignore[method-assign]
        kind.__eq__ = lambda dialect, other: type(dialect) is type(other)  # type: ignore[method-assign]
