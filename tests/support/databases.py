"""Fresh, migrated databases: each test gets a copy of a template that was migrated once."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from sqlalchemy import URL, text

from chat_hygiene.store import schema
from chat_hygiene.store.engine import create_engine


def migrate(url: str) -> None:
    """Brings a new database to the current schema."""
    engine = create_engine(url)
    schema.upgrade(engine)
    engine.dispose()


def address(url: URL) -> str:
    """The URL as text, as a setting holds it."""
    return url.render_as_string(hide_password=False)


class SqliteDatabases:
    """Copies of one migrated file."""

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.db"
        migrate(f"sqlite:///{self._template}")

    def copy(self, file: Path) -> str:
        """A migrated database at `file`; its URL."""
        shutil.copyfile(self._template, file)
        return f"sqlite:///{file}"


class PostgresDatabases:
    """Databases on one server, made from one migrated template."""

    def __init__(self, server: URL) -> None:
        self._server = server
        self._admin = sqlalchemy.create_engine(
            server, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool
        )
        self._template: str | None = None
        self._made: list[str] = []

    def empty(self) -> str:
        """A new database with nothing in it; its URL."""
        return address(self._server.set(database=self._create()))

    @contextmanager
    def copy(self) -> Iterator[str]:
        """A migrated database for the length of the block; its URL."""
        if self._template is None:
            template = self._create()
            migrate(address(self._server.set(database=template)))
            self._template = template
        name = self._create(self._template)
        yield address(self._server.set(database=name))
        self._drop(name)

    def close(self) -> None:
        """Drops what it made."""
        for name in list(self._made):
            self._drop(name)

    def _create(self, template: str = "template0") -> str:
        name = f"chat_hygiene_test_{secrets.token_hex(6)}"
        with self._admin.connect() as connection:
            # A third of the time of the default, which writes a template this small through the log.
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
        self._made.append(name)
        return name

    def _drop(self, name: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        self._made.remove(name)
