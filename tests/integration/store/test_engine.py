"""Transactions mean the same on both engines: no lost update, readers in nobody's way, clear errors."""

import socket
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, event, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from chat_hygiene.core.errors import DatabaseError, Exit
from chat_hygiene.store.engine import create_engine, reading
from chat_hygiene.store.engine import sessions as make_sessions
from chat_hygiene.store.tables import devices

THREADS, ROUNDS = 8, 25


@pytest.fixture
def device(sessions: sessionmaker[Session]) -> int:
    with sessions.begin() as session:
        return session.scalar(
            insert(devices).values(provider="wassenger", device="d1").returning(devices.c.id)
        )


def test_threads_that_read_modify_and_write_lose_no_update(sessions, device):
    def count(_: int) -> None:
        for _ in range(ROUNDS):
            with sessions.begin() as session:
                seen = session.scalar(select(devices.c.sweep).where(devices.c.id == device).with_for_update())
                session.execute(update(devices).where(devices.c.id == device).values(sweep=seen + 1))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(count, range(THREADS)))
    with reading(sessions) as session:
        assert session.scalar(select(devices.c.sweep)) == THREADS * ROUNDS


def test_a_reader_takes_no_write_lock_and_waits_for_no_writer(sessions, device):
    with sessions.begin() as writer:
        writer.execute(update(devices).values(sweep=7))
        with reading(sessions) as reader:
            assert reader.scalar(select(devices.c.sweep)) == 0
    with reading(sessions) as reader:
        assert reader.scalar(select(devices.c.sweep)) == 7
        with sessions.begin() as writer:
            writer.execute(update(devices).values(sweep=8))
        assert reader.scalar(select(devices.c.sweep)) == 7, "a reader sees one snapshot"


def test_a_reader_cannot_write_and_the_next_writer_can(sessions, device):
    with pytest.raises(DBAPIError, match=r"readonly|read-only"), reading(sessions) as session:
        session.execute(update(devices).values(sweep=1))
    for _ in range(10):  # also on the connection that the reader used
        with sessions.begin() as session:
            session.execute(update(devices).values(sweep=devices.c.sweep + 1))
    with reading(sessions) as session:
        assert session.scalar(select(devices.c.sweep)) == 10


def test_a_writer_that_fails_leaves_nothing(sessions, device):
    with pytest.raises(ZeroDivisionError), sessions.begin() as session:
        session.execute(update(devices).values(sweep=1))
        _ = 1 / 0
    with reading(sessions) as session:
        assert session.scalar(select(devices.c.sweep)) == 0


def test_sqlite_runs_by_the_recipe(sqlite_databases, tmp_path):
    engine = create_engine(sqlite_databases.copy(tmp_path / "ledger.db"))
    with engine.begin() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        assert [connection.scalar(text(f"PRAGMA {name}")) for name in names] == ["wal", 2, 1, 30_000]
    engine.dispose()


def test_a_new_sqlite_file_and_those_beside_it_are_the_owners_alone(tmp_path):
    file = tmp_path / "new.db"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    engine.dispose()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}


def test_an_sqlite_file_that_is_there_keeps_its_mode(tmp_path):
    file = tmp_path / "old.db"
    file.touch()
    file.chmod(0o640)
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    engine.dispose()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_postgresql_bounds_waits_and_speaks_utc(postgres_url):
    engine = create_engine(postgres_url)
    names = (
        "lock_timeout",
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "TimeZone",
        "application_name",
    )
    with engine.begin() as connection:
        found = [connection.scalar(select(func.current_setting(name))) for name in names]
    assert found == ["30s", "2min", "1min", "UTC", "chat-hygiene"]
    engine.dispose()


def test_a_postgresql_server_whose_machine_vanished_is_noticed_within_minutes(postgres_url):
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        given = connection.connection.driver_connection.info.get_parameters()
    engine.dispose()
    idle, interval, count = (int(given[f"keepalives_{each}"]) for each in ("idle", "interval", "count"))
    assert given["keepalives"] == "1"
    assert idle + interval * count <= 60, "an idle connection hangs"
    assert 0 < int(given["tcp_user_timeout"]) <= 30_000, "a statement that was sent hangs"


def test_a_new_sqlite_file_that_another_is_writing_is_waited_for(tmp_path):
    file = tmp_path / "new.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    engine = create_engine(f"sqlite:///{file}")

    def let_go_once_it_waits(connection, _record):
        connection.set_trace_callback(lambda sql: sql == "BEGIN EXCLUSIVE" and other.execute("COMMIT"))

    event.listen(engine, "connect", let_go_once_it_waits, insert=True)
    with engine.begin() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
    engine.dispose()
    other.close()


def unreachable(engine: Engine) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught, make_sessions(engine).begin() as session:
        session.execute(text("select 1"))
    engine.dispose()
    assert caught.value.exit_code is Exit.UNREACHABLE
    return caught.value


def test_a_server_that_is_not_there_is_named_without_the_password():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = unreachable(create_engine(f"postgresql+psycopg://someone:hunter2secret@127.0.0.1:{port}/ledger"))
    assert f"ledger at 127.0.0.1:{port} cannot be reached" in str(error)
    assert "hunter2secret" not in f"{error} {error.fix} {error.__cause__!r}"


def test_a_database_that_does_not_exist_is_named(postgres_url):
    error = unreachable(create_engine(postgres_url.replace("chat_hygiene_test_", "no_such_")))
    assert "does not exist" in str(error)


def test_a_server_that_goes_away_is_said_so(postgres_databases):
    with postgres_databases.copy() as url:
        engine = create_engine(url)
        with (
            pytest.raises(DatabaseError, match="cannot be reached"),
            make_sessions(engine).begin() as session,
        ):
            session.execute(text("select pg_terminate_backend(pg_backend_pid())"))
        engine.dispose()


def test_a_file_that_is_no_database_is_named(tmp_path):
    file = tmp_path / "letter.txt"
    file.write_text("Dear database, " * 100)
    assert "letter.txt cannot be used: the file is not an SQLite database" in str(
        unreachable(create_engine(f"sqlite:///{file}"))
    )


def test_a_folder_that_is_missing_is_named(tmp_path):
    error = unreachable(create_engine(f"sqlite:///{tmp_path}/nowhere/ledger.db"))
    assert "nowhere/ledger.db cannot be used: the file cannot be opened or created" in str(error)


def test_an_error_does_not_show_the_values_of_its_statement(sessions, device):
    with pytest.raises(DBAPIError) as caught, sessions.begin() as session:
        session.execute(insert(devices).values(provider="447362053576", device=None))
    assert "447362053576" not in str(caught.value).split("DETAIL")[0]
