"""The schema's version: looking at it and bringing it up to date, also of a database that cannot be opened yet."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from chat_hygiene.settings import Settings
from chat_hygiene.store import revision
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


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    engine = create_engine(settings.database_url.get_secret_value())
    try:
        yield engine
    finally:
        engine.dispose()
