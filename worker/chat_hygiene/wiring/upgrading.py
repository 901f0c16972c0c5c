"""The schema: its version, bringing it up to date, also of a database that cannot be opened yet; and rights to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from chat_hygiene.core.errors import UsageError
from chat_hygiene.settings import Settings
from chat_hygiene.store import grants, revision
from chat_hygiene.store.engine import create_engine


def upgrade_schema(settings: Settings) -> tuple[str | None, str]:
    """Brings the schema up to date; returns its version before (None: there was nothing) and after."""
    with _engine(settings) as engine:
        from chat_hygiene.store import schema

        before = revision.current(engine)
        schema.upgrade(engine)
        return before, revision.HEAD


def schema_versions(settings: Settings) -> tuple[str | None, str]:
    """The version that the database has, and the one that this program needs."""
    with _engine(settings) as engine:
        return revision.current(engine), revision.HEAD


def check_schema(settings: Settings) -> list[str]:
    """What is wrong with the schema, a sentence each."""
    with _engine(settings) as engine:
        from chat_hygiene.store import schema

        return schema.check(engine)


def report_grants(settings: Settings, role: str, *, timeout: str) -> str:
    """SQL that lets `role` read the report views and nothing else. Raises UsageError, also where there are no roles."""
    if settings.sqlite_file is not None:
        raise UsageError(
            "SQLite has no roles: whoever can read the file reads all of it",
            fix="give away a copy that holds the report views alone, as docs/report-views.md shows",
        )
    return grants.reporting(role, timeout=timeout)


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    engine = create_engine(settings.database_url.get_secret_value())
    try:
        yield engine
    finally:
        engine.dispose()
