"""What the rows stand on: databases of both engines, made when first asked for, and gone with the run."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, Index, Table

from support.databases import PostgresDatabases, SqliteDatabases
from support.servers import Postgres, postgres

ENGINES = ("sqlite", "postgresql")

# As a small machine would be set up; `fsync` stays off for both sides of each ratio.
_POSTGRES = {"shared_buffers": "512MB", "max_wal_size": "4GB", "work_mem": "16MB"}


class Ground:
    """One run's databases, in a temporary folder on disk.

    `large` asks for the big sizes. What costs minutes to make, such as a world of a million chats, is made once and kept
    in `shared` for the rows after it.
    """

    def __init__(self, folder: Path, stack: ExitStack, *, large: bool) -> None:
        self.folder, self.large = folder, large
        self.shared: dict[object, object] = {}
        self._stack = stack
        self._number = 0

    @cached_property
    def server(self) -> Postgres:
        """The one PostgreSQL server of the run."""
        return self._stack.enter_context(postgres(**_POSTGRES))

    def database(self, engine: str) -> str:
        """The URL of a new migrated database on `sqlite` or `postgresql`; it lasts as long as the run."""
        if engine == "postgresql":
            return self._stack.enter_context(self._postgres.copy())
        self._number += 1
        return self._sqlite.copy(self.folder / f"bench-{self._number}.db")

    @cached_property
    def _postgres(self) -> PostgresDatabases:
        return PostgresDatabases(self.server.url)

    @cached_property
    def _sqlite(self) -> SqliteDatabases:
        return SqliteDatabases(self.folder)


def indexes(connection: Connection, *tables: Table) -> list[Index]:
    """Those of the tables, in the order in which the migrations made them.

    Whoever drops them for a while has to make them in that order again: of two that promise the same, SQLite takes the one
    made last.
    """
    found = {index.name: index for table in tables for index in table.indexes}
    if connection.dialect.name == "sqlite":
        made = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY rowid"
        )
        return [found[name] for name in made.scalars() if name in found]
    return sorted(found.values(), key=lambda index: str(index.name))


@contextmanager
def ground(*, large: bool = False) -> Iterator[Ground]:
    """Opens a ground, and takes everything away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="chat-hygiene-bench-"))
    try:
        with ExitStack() as stack:
            yield Ground(folder, stack, large=large)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
