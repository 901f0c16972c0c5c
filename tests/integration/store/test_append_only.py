"""What may never change cannot be changed by any statement, on either engine."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from chat_hygiene.store.tables import audit_events, audit_seals, metadata, policies, policy_versions

NOW = datetime(2026, 5, 9, 3, 0, tzinfo=UTC)
POLICY = {"id": 1, "name": "p", "action": "delete", "state": "active", "version": 1, "created_at": NOW}
ROWS = {
    "audit_events": {"seq": 5, "at": NOW, "kind": "stopped", "actor": "ana"},
    "audit_seals": {"position": 1, "event_id": 5, "hash": "aa"},
    "policy_versions": {
        "id": 3, "policy_id": 1, "version": 1, "document": {}, "rule": "r", "created_by": "ana", "created_at": NOW,
    },
}  # fmt: skip
CHANGES = {
    "audit_events": {"actor": "eve"},
    "audit_seals": {"hash": "bb"},
    "policy_versions": {"rule": "all"},
}
# Columns in which a new row collides with the stored one, and what the others then hold.
COLLISIONS = [
    ("audit_events", {"seq": 5, "actor": "eve"}),
    ("audit_seals", {"position": 1, "event_id": 6, "hash": "bb"}),
    ("audit_seals", {"position": 2, "event_id": 5, "hash": "bb"}),
    ("policy_versions", {"id": 3, "version": 2, "rule": "all"}),
    ("policy_versions", {"id": 4, "version": 1, "rule": "all"}),
]
kept_tables = pytest.mark.parametrize("table", [metadata.tables[name] for name in ROWS], ids=list(ROWS))


@pytest.fixture
def filled(sessions):
    with sessions.begin() as session:
        session.execute(insert(audit_events), [ROWS["audit_events"], {**ROWS["audit_events"], "seq": 6}])
        session.execute(insert(audit_seals), ROWS["audit_seals"])
        session.execute(insert(policies), POLICY)
        session.execute(insert(policy_versions), ROWS["policy_versions"])
    with sessions() as session:
        before = contents(session)
    yield sessions
    with sessions() as session:
        assert contents(session) == before


def contents(session):
    return [session.execute(select(table)).all() for table in (audit_events, audit_seals, policy_versions)]


def refused(sessions, *statement):
    with pytest.raises(DBAPIError, match="never changed"), sessions.begin() as session:
        session.execute(*statement)


@kept_tables
def test_update_is_refused(filled, table):
    refused(filled, update(table).values(CHANGES[table.name]))


@kept_tables
def test_delete_is_refused(filled, table):
    refused(filled, delete(table))


@kept_tables
def test_truncate_is_refused(filled, table, engine):
    if engine.dialect.name == "sqlite":
        refused(filled, text(f"DELETE FROM {table.name}"))  # the form that SQLite makes a truncate of
    else:
        refused(filled, text(f"TRUNCATE {table.name} CASCADE"))


@pytest.mark.parametrize(("name", "values"), COLLISIONS)
def test_an_upsert_over_a_row_is_refused(filled, engine, name, values):
    table = metadata.tables[name]
    own = postgresql.insert(table) if engine.dialect.name == "postgresql" else sqlite.insert(table)
    row = {**ROWS[name], **values}
    key = next(columns for columns in keys(table) if all(row[key] == ROWS[name][key] for key in columns))
    refused(filled, own.values(row).on_conflict_do_update(index_elements=key, set_=CHANGES[name]))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("resolution", ["OR REPLACE", "OR IGNORE"])
@pytest.mark.parametrize(("name", "values"), COLLISIONS)
def test_sqlites_other_conflict_resolutions_are_refused(filled, name, values, resolution):
    table = metadata.tables[name]
    refused(filled, insert(table).values({**ROWS[name], **values}).prefix_with(resolution))
    refused(filled, update(table).values(values).prefix_with(resolution))


def keys(table):
    yield [column.name for column in table.primary_key]
    for constraint in table.constraints:
        if type(constraint).__name__ == "UniqueConstraint":
            yield [column.name for column in constraint.columns]
