"""Fixtures that give a test a real database of each engine.

`engine`, `sessions` and `database_url` run a test on SQLite and on PostgreSQL, each time on a fresh migrated database.
`redis` is an empty database of a real server of the Redis protocol. Both servers come from wheels;
`TEST_DATABASE_URL` and `TEST_REDIS_URL` point at others instead.

Where there is room in memory, everything temporary lives there: thousands of databases are made and dropped, and what
these tests prove outlives a killed process, never a machine that lost its power.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, make_url
from sqlalchemy.orm import Session, sessionmaker

from chat_hygiene.store.engine import create_engine
from chat_hygiene.store.engine import sessions as make_sessions
from support.brokers import Broker, broker
from support.compiled import share_compiled_statements
from support.databases import PostgresDatabases, SqliteDatabases
from support.servers import postgres

_MEMORY = Path("/dev/shm")
_ROOM = 2 * 1024**3

# An example may take as long as it takes: machines pause.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure() -> None:
    """Before anything temporary is made; processes that tests start inherit it, and not the width of somebody's terminal."""
    os.environ.pop("COLUMNS", None)
    if "TMPDIR" not in os.environ and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)
    share_compiled_statements()


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[PostgresDatabases]:
    """Makes databases on the one PostgreSQL server of this test process."""
    if other := os.environ.get("TEST_DATABASE_URL"):
        databases = PostgresDatabases(make_url(other).set(drivername="postgresql+psycopg"))
        yield databases
        databases.close()
    else:
        with postgres() as server:
            yield PostgresDatabases(server.url)


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    """Makes copies of a migrated SQLite file."""
    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_url(postgres_databases: PostgresDatabases) -> str:
    """The URL of an empty PostgreSQL database."""
    return postgres_databases.empty()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Broker]:
    """The one Redis-protocol server of this test process."""
    if other := os.environ.get("TEST_REDIS_URL"):
        # Test processes side by side share a foreign server: each has a database of its own there.
        number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
        yield Broker(urlsplit(other)._replace(path=f"/{number}").geturl())
    else:
        with broker() as server:
            yield server


@pytest.fixture
def redis(redis_server: Broker) -> Broker:
    """An empty Redis database; `.url` is its address."""
    redis_server.flushdb()
    return redis_server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh migrated database, once of each engine."""
    if request.param == "sqlite":
        databases = request.getfixturevalue("sqlite_databases")
        yield databases.copy(tmp_path / "ledger.db")
    else:
        databases = request.getfixturevalue("postgres_databases")
        with databases.copy() as url:
            yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Our own engine on a fresh migrated database, once of each kind."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    """Transactions on a fresh migrated database, once of each engine."""
    return make_sessions(engine)
