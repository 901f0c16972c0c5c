"""Which schema a database has, and which one this program needs."""

from sqlalchemy import Connection, Engine, inspect, text

HEAD = "0012"
"""The newest migration; a test holds it against the files."""

_FOUND = text("SELECT version_num FROM alembic_version")


def current(engine: Engine) -> str | None:
    """The revision of the database; None when no migration has run."""
    with engine.connect() as connection:
        return found(connection)


def found(connection: Connection) -> str | None:
    """The same in a transaction that is open already: a reader's takes no lock."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(_FOUND).scalar_one_or_none()
    return revision
