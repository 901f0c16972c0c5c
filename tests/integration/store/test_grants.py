"""The role that `db grants` makes reads the report views, and is refused everything else."""

import pytest
import sqlalchemy
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chat_hygiene.core.errors import UsageError
from chat_hygiene.store import grants
from chat_hygiene.store.engine import create_engine, sessions
from chat_hygiene.store.tables import metadata
from chat_hygiene.store.views import VIEWS
from support.world import fill

ROLE = "reader"
BEYOND = """
CREATE TABLE mine (id int)
CREATE TEMPORARY TABLE mine (id int)
CREATE VIEW mine AS SELECT 1
CREATE SCHEMA mine
CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE ROLE another
SELECT 1 AS id INTO mine
SELECT lo_create(0)
SELECT lo_from_bytea(0, 'x')
SELECT pg_read_file('/etc/passwd')
SELECT pg_ls_dir('/')
SELECT lo_import('/etc/passwd')
COPY (SELECT 1) TO '/tmp/mine'
COPY (SELECT 1) TO PROGRAM 'true'
SELECT * FROM pg_authid
SELECT mine_too()
SELECT audit_events_kept()
ALTER TABLE jobs DISABLE TRIGGER ALL
LOCK TABLE report_v1_audit IN EXCLUSIVE MODE
DROP VIEW report_v1_audit
INSERT INTO report_v1_policies (policy) VALUES ('x')
SET ROLE {owner}
""".strip().splitlines()


def ran(engine, sql):
    with engine.connect() as connection:
        # The SQL has its own BEGIN and COMMIT, and percent signs: what psql would send.
        connection.connection.dbapi_connection.autocommit = True
        connection.connection.cursor().execute(sql)


@pytest.fixture
def owner(postgres_databases):
    """The engine of the owner of a filled database on which everybody could make tables, as up to PostgreSQL 14."""
    with postgres_databases.copy() as url:
        engine = create_engine(url)
        fill(sessions(engine))
        with engine.begin() as connection:
            connection.execute(text("GRANT CREATE ON SCHEMA public TO PUBLIC"))
            connection.execute(text("CREATE FUNCTION mine_too() RETURNS int LANGUAGE sql AS 'SELECT 1'"))
        yield engine
        with engine.begin() as connection:
            for role in connection.scalars(
                text("SELECT rolname FROM pg_roles WHERE rolname ~ '^reader'")
            ).all():
                connection.execute(text(f"DROP OWNED BY {role}"))
                connection.execute(text(f"DROP ROLE {role}"))
        engine.dispose()


@pytest.fixture
def reader(owner):
    """Connections as the role that the SQL made."""
    ran(owner, grants.reporting(ROLE, timeout="1234ms"))
    with owner.begin() as connection:
        connection.execute(text(f"ALTER ROLE {ROLE} PASSWORD 'reader'"))
    engine = sqlalchemy.create_engine(owner.url.set(username=ROLE, password="reader"))
    yield engine
    engine.dispose()


def refused(engine, statement):
    with engine.connect() as connection:
        # What the role was given as a default it can change; what is refused must be refused by its rights.
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"))
        connection.commit()
        try:
            connection.execute(text(statement))
        except DBAPIError as error:
            # A view over several tables takes no writes from anybody.
            return any(
                words in str(error) for words in ("permission denied", "must be", "from view", "into view")
            )
        return False


def test_it_reads_each_of_the_views(reader):
    with reader.connect() as connection:
        found = {
            view.name: len(connection.execute(text(f"SELECT * FROM {view.name}")).all()) for view in VIEWS
        }
    assert len(found) == 12
    assert [name for name, rows in found.items() if not rows] == []


def test_it_is_refused_every_table_and_every_write(reader):
    tables = [*metadata.tables, "alembic_version"]
    statements = [
        statement.format(table=table)
        for table in tables
        for statement in (
            "SELECT 1 FROM {table}",
            "DELETE FROM {table}",
            "INSERT INTO {table} DEFAULT VALUES",
            "TRUNCATE {table}",
        )
    ]
    statements += [f"DELETE FROM {view.name}" for view in VIEWS]
    assert [statement for statement in statements if not refused(reader, statement)] == []


def test_it_is_refused_whatever_else_a_role_might_do(reader, owner):
    statements = [statement.format(owner=owner.url.username) for statement in BEYOND]
    assert [statement for statement in statements if not refused(reader, statement)] == []


def test_its_statements_end_after_a_while_and_only_read_unless_it_says_otherwise(reader):
    with reader.connect() as connection:
        shown = [
            connection.scalar(text(f"SHOW {name}"))
            for name in ("statement_timeout", "default_transaction_read_only")
        ]
    assert shown == ["1234ms", "on"]


def test_run_again_it_takes_back_what_the_role_was_given_meanwhile(reader, owner):
    with owner.begin() as connection:
        connection.execute(text(f"GRANT SELECT, UPDATE ON chats TO {ROLE}"))
        connection.execute(text(f"GRANT SELECT (wid) ON chats TO {ROLE}"))
        connection.execute(text(f"GRANT ALL ON SCHEMA public TO {ROLE}"))
    ran(owner, grants.reporting(ROLE))
    assert refused(reader, "SELECT wid FROM chats")
    assert refused(reader, "CREATE TABLE mine (id int)")


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("CREATE ROLE reader CREATEDB", "rights of its own"),
        ("CREATE ROLE reader_of_all; CREATE ROLE reader IN ROLE reader_of_all", "rights of its own"),
        ("GRANT SELECT ON chats TO PUBLIC", "SELECT on chats"),
    ],
)
def test_it_fails_and_changes_nothing_where_the_role_could_do_more(owner, before, said):
    ran(owner, before)
    with pytest.raises(Exception, match=said):
        ran(owner, grants.reporting(ROLE))
    with owner.connect() as connection:
        granted = "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'reader'"
        assert connection.scalar(text(granted)) == 0


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "a'b", "$grants$", "1a", "ü", "a" * 64, "a;b", "a\nb"])
def test_a_name_that_would_break_out_of_the_sql_is_refused(name):
    with pytest.raises(UsageError, match="name of a role"):
        grants.reporting(name)


@pytest.mark.parametrize("timeout", ["", "0", "0s", "30", "-1s", "30s'; --", "1 d"])
def test_a_time_out_that_is_none_is_refused(timeout):
    with pytest.raises(UsageError, match="time-out"):
        grants.reporting(ROLE, timeout=timeout)
