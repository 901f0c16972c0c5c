"""The migrations build the tables that the code expects, on both engines, also when several start at once."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError

from chat_hygiene.core.errors import DatabaseError
from chat_hygiene.store import revision, schema
from chat_hygiene.store.engine import create_engine
from chat_hygiene.store.tables import jobs, metadata, run_candidates, switches
from support.world import NOW, fill

ROOT = Path(__file__).parents[2]


# What PostgreSQL's catalogue says of the tables, and of all that `metadata` does not know.
TABLES = (
    """
    SELECT table_name::text, column_name, data_type, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name <> 'alembic_version' AND table_name NOT LIKE 'report_v1_%'
    """,
    """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype <> 't' AND conrelid::regclass::text <> 'alembic_version'
    """,
    """
    SELECT tablename::text, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    """,
)
OTHERS = (
    "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT proname::text, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "SELECT viewname::text, definition FROM pg_views WHERE schemaname = 'public'",
    "SELECT relname::text, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'",
)


@pytest.fixture
def empty_url(engine, tmp_path, request):
    """A database with nothing in it, of the engine's kind."""
    if engine.dialect.name == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return request.getfixturevalue("postgres_databases").empty()


@pytest.fixture
def empty(empty_url):
    engine = create_engine(empty_url)
    yield engine
    engine.dispose()


def tables(engine):
    """The tables, with columns, constraints and indexes, as the database's own catalogue tells them."""
    if engine.dialect.name == "postgresql":
        return catalogue(engine, TABLES)
    rows = catalogue(
        engine, ["SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql <> ''"]
    )
    return [(name, sorted(parts(sql))) for name, sql in rows if name != "alembic_version"]


def parts(sql):
    """What stands between the commas of a CREATE statement: an added column stands last, and on no line of its own."""
    head, _, body = sql.replace('"', "").partition("(")
    depth, found = 0, [""]
    for char in body[: body.rindex(")")] if body.rstrip().endswith(")") else body:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and not depth:
            found.append("")
        else:
            found[-1] += char
    return [" ".join(part.split()) for part in (head, *found)]


def everything(engine):
    """The tables, and what else the migrations make."""
    others = OTHERS
    if engine.dialect.name == "sqlite":
        others = ["SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')"]
    return tables(engine), catalogue(engine, others)


def catalogue(engine, queries):
    with engine.connect() as connection:
        return sorted(tuple(map(str, row)) for query in queries for row in connection.execute(text(query)))


def test_a_migrated_database_is_as_the_code_expects(engine):
    assert revision.current(engine) == revision.HEAD
    assert schema.check(engine) == []


def test_the_migrations_make_what_the_tables_say_to_the_letter(engine, empty):
    metadata.create_all(empty)
    assert tables(engine) == tables(empty)


def test_up_down_and_up_again_comes_out_the_same(empty):
    schema.upgrade(empty)
    first = everything(empty)
    schema.downgrade(empty, "base")
    assert everything(empty) == ([], [])
    assert revision.current(empty) is None
    schema.upgrade(empty)
    assert everything(empty) == first


def test_each_migration_can_be_taken_back_alone(empty):
    schema.upgrade(empty)
    for version in ("0004", "0003", "0002", "0001"):
        schema.downgrade(empty, version)
        assert revision.current(empty) == version
    schema.upgrade(empty)
    assert schema.check(empty) == []


def test_a_table_that_is_written_anew_keeps_its_rows_and_the_order_of_its_indexes(engine, sessions):
    fill(sessions)
    with sessions.begin() as session:
        session.execute(
            insert(run_candidates).values(run_id=1, chat_id=2, generation=1, matched_at=NOW, not_before=NOW)
        )
    before = rows(engine), order(engine)
    schema.downgrade(engine, "0010")
    assert (rows(engine), order(engine)) == before
    schema.upgrade(engine)
    assert (rows(engine), order(engine)) == before
    assert len(before[0][0]) > 5
    odd = (
        update(jobs).values(state="odd"),
        update(jobs).values(whatsapp_state="odd"),
        update(jobs).values(state="deleted", whatsapp_state="unknown", platform_state="removed"),
        update(jobs).values(chat_id=99),
        update(jobs).values(policy_id=2),  # is there, and is not that of the run
        update(run_candidates).values(withheld_by="odd"),
    )
    for change in odd:
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(change)


def rows(engine):
    with engine.connect() as connection:
        return [
            connection.execute(select(table).order_by(*table.primary_key)).all()
            for table in (jobs, run_candidates)
        ]


def order(engine):
    """SQLite takes the last made of two indexes that promise the same."""
    if engine.dialect.name == "postgresql":
        return None
    made = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('jobs', 'run_candidates') ORDER BY rowid"
    with engine.connect() as connection:
        names = connection.scalars(text(made)).all()
    return [name for name in names if name != "ix_jobs_policy_id_queued_at"]  # that the newer one has no more


def test_the_switches_that_locks_and_the_chain_stand_on_are_there(engine):
    with engine.connect() as connection:
        found = connection.execute(
            select(switches.c.name, switches.c.on, switches.c.detail).order_by("name")
        ).all()
    names = ("audit_checkpoint", "audit_head", "gate", "pseudonym_keys", "stop")
    assert found == [(name, False, None) for name in names]


def test_an_empty_database_is_said_to_be_behind(empty):
    assert schema.check(empty) == [f"the schema is at nothing, this program needs {revision.HEAD}"]


def test_a_changed_schema_is_found(engine):
    with engine.begin() as connection:
        connection.execute(text("DROP VIEW report_v1_holds"))
        connection.execute(text("ALTER TABLE holds DROP COLUMN released_by"))
        connection.execute(text("CREATE INDEX ix_odd ON holds (label)"))
    problems = " ".join(schema.check(engine))
    assert all(word in problems for word in ("report_v1_holds", "released_by", "ix_odd"))


def test_a_newer_database_is_left_alone(engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = everything(engine)
    with pytest.raises(DatabaseError, match="9999"):
        schema.upgrade(engine)
    assert everything(engine) == before


def test_processes_that_start_at_once_on_a_new_database_agree(empty, empty_url):
    script = """
import sys
from chat_hygiene.store import schema
from chat_hygiene.store.engine import create_engine
engine = create_engine(sys.argv[1])
print("ready", flush=True)
sys.stdin.read()
schema.upgrade(engine)
"""
    command = [sys.executable, "-c", script, empty_url]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    children = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for child in children:
        assert child.stdout.readline() == b"ready\n"
    for child in children:
        child.stdin.close()
    errors = [child.stderr.read().decode() for child in children]
    for child in children:
        child.stdout.close()
        child.stderr.close()
    assert [child.wait() for child in children] == [0, 0], errors
    assert schema.check(empty) == []


def test_the_wheel_carries_migrations_and_examples(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = [path.relative_to(ROOT) for path in (ROOT / "migrations").rglob("*.py")]
    sources += [ROOT.joinpath("migrations/script.py.mako").relative_to(ROOT)]
    assert {f"chat_hygiene/{path}" for path in sources} <= names
    examples = [path.name for path in (ROOT / "policies" / "examples").glob("*.yaml")]
    assert examples
    assert {f"chat_hygiene/examples/{name}" for name in examples} <= names
    assert not [name for name in names if "__pycache__" in name]


def test_the_program_needs_the_newest_migration():
    assert ScriptDirectory.from_config(schema._config()).get_heads() == [revision.HEAD]
