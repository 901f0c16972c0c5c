"""The schema's migrations: brings a database up to date and says whether it is what we expect.

Imported only where something may have to be migrated: Alembic takes a good part of the command's start. The migrations are read from inside the installed package, or from the checkout beside `worker/`.
"""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError

import chat_hygiene
from chat_hygiene.core.errors import DatabaseError
from chat_hygiene.store.revision import HEAD, current
from chat_hygiene.store.tables import metadata
from chat_hygiene.store.views import VIEWS

# One migration at a time on a server; SQLite's own write lock does the same for a file. The number means nothing.
_MIGRATION_LOCK = text("SELECT pg_advisory_xact_lock(7236417081)")
# A migration that waits for a busy table would make everybody else wait behind it.
_TIME_OUTS = text("SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '30min'")


def upgrade(engine: Engine) -> None:
    """Runs the migrations that the database lacks, all in one transaction. Safe when several start at once.

    Raises DatabaseError when the database is newer than this program, or too busy to be changed.
    """
    _run(engine, lambda config: command.upgrade(config, "head"))


def downgrade(engine: Engine, revision: str) -> None:
    """Takes the schema back to `revision` (`base`: to nothing), with the data that only a later one can hold."""
    _run(engine, lambda config: command.downgrade(config, revision))


def check(engine: Engine) -> list[str]:
    """What is wrong with the schema, a sentence each: its revision, then each difference from the tables we expect."""
    revision = current(engine)
    if revision != HEAD:
        return [f"the schema is at {revision or 'nothing'}, this program needs {HEAD}"]
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        differences = [repr(difference) for difference in compare_metadata(context, metadata)]
        return [f"the schema differs: {difference}" for difference in [*differences, *_odd_views(connection)]]


def _odd_views(connection: Connection) -> list[str]:
    found = inspect(connection)
    names = set(found.get_view_names())
    return [
        f"the view {view.name} is missing or has other columns"
        for view in VIEWS
        if view.name not in names
        or [column["name"] for column in found.get_columns(view.name)]
        != [column.name for column in view.columns]
    ]


def _run(engine: Engine, migrate: Callable[[Config], None]) -> None:
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(_MIGRATION_LOCK)
                connection.execute(_TIME_OUTS)
            migrate(_config(connection))
    except CommandError as error:
        raise DatabaseError(
            f"the schema cannot be changed: {error}",
            fix="use the version of chat-hygiene that last upgraded it",
        ) from None
    except OperationalError as error:
        raise DatabaseError(
            f"the schema could not be changed: {error.orig}", fix="stop what uses the database, and try again"
        ) from error


def _config(connection: Connection | None = None) -> Config:
    package = Path(chat_hygiene.__file__).parent
    installed, checkout = package / "migrations", package.parents[1] / "migrations"
    folder = installed if installed.is_dir() else checkout
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
