"""The schema: its version, bringing it up to date, also of a database that cannot be opened yet; and rights to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from chat_hygiene.core.errors import UsageError
from chat_hygiene.settings import Settings
from chat_hygiene.store import app_rights, grants, revision
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
    _require_roles(
        settings, "give away a copy that holds the report views alone, as docs/report-views.md shows"
    )
    return grants.reporting(role, timeout=timeout)


def app_grants(settings: Settings, role: str) -> str:
    """SQL that lets `role` do the work, and only add to the audit. Raises UsageError, also where there are no roles."""
    _require_roles(settings, "keep heads of the audit elsewhere: chat-hygiene audit head --out FILE")
    return app_rights.application(role)


def _require_roles(settings: Settings, fix: str) -> None:
    if settings.sqlite_file is not None:
        raise UsageError(
            "SQLite has no roles: whoever can open the file can read and write all of it", fix=fix
        )


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    engine = create_engine(settings.database_url.get_secret_value())
    try:
        yield engine
    finally:
        engine.dispose()
