"""The report views have the columns of the public contract, with the types that their documentation says."""

import pytest
from sqlalchemy import inspect, text

from chat_hygiene.store.engine import reading
from chat_hygiene.store.views import VIEWS

# The public contract. Columns may only be added, at the end of a line.
CONTRACT = """
policies: policy, version, mode, state, schedule, timezone, rule, next_run_at, last_run_at, last_run_state, overdue, oldest_overdue_at
runs: run_id, policy, policy_version, trigger, scheduled_for, started_at, finished_at, mode, state, reason, seen, in_scope, matched, held, kept, deferred, queued, deleted, removed_locally, already_gone, cancelled, failed, requested_by, approved_by
deletions: job_id, run_id, policy, policy_version, device, chat_ref, chat_hint, reason, outcome, whatsapp_state, platform_state, queued_at, finished_at, attempts, error_class, error_code
deletions_daily: day, policy, device, deleted, removed_locally, already_gone, failed
upcoming: policy, device, chat_ref, chat_hint, reason, matched_at, not_before, due_since, blocked_by
failures: job_id, policy, device, chat_ref, chat_hint, error_class, error_code, attempts, first_failed_at, last_failed_at, next_attempt_at, final
debt: job_id, device, chat_ref, chat_hint, policy, opened_at, age_seconds, reason, probes, next_probe_at, state, settled_at
devices: device, alias, status, session_status, last_online_at, last_sync_at, last_full_sync_at, chats, uncovered, paused_until, blocked_reason
holds: hold_id, scope, chat_ref, label, device, held_by, placed_at, until, released_at
changes: at, actor, action, object, policy, from_version, to_version
audit: seq, at, kind, actor, policy, policy_version, run_id, job_id, device, chat_ref, outcome, detail, sealed
health: part, last_seen_at, age_seconds, ok, detail
"""
POSTGRESQL_KINDS = {
    "text": "text", "integer": "integer", "bigint": "integer", "timestamp with time zone": "instant", "date": "day",
    "boolean": "boolean",
}  # fmt: skip


def contract():
    lines = [line.partition(": ") for line in CONTRACT.strip().splitlines()]
    return {f"report_v1_{name}": columns.split(", ") for name, _, columns in lines}


def test_the_views_have_the_columns_of_the_contract(engine):
    found = inspect(engine)
    assert set(found.get_view_names()) == set(contract())
    for view, columns in contract().items():
        assert [column["name"] for column in found.get_columns(view)] == columns


def test_every_column_is_documented():
    assert {view.name: [column.name for column in view.columns] for view in VIEWS} == contract()
    assert all(column.doc and view.doc for view in VIEWS for column in view.columns)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_columns_have_the_types_that_the_documentation_says(engine):
    with engine.connect() as connection:
        query = text(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_name LIKE 'report%'"
        )
        found = {(view, column): POSTGRESQL_KINDS[kind] for view, column, kind in connection.execute(query)}
    assert found == {(view.name, column.name): column.kind for view in VIEWS for column in view.columns}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_values_have_the_types_that_the_documentation_says(world):
    storage = {"text": "text", "instant": "text", "day": "text", "integer": "integer", "boolean": "integer"}
    with reading(world) as session:
        for view in VIEWS:
            for column in view.columns:
                query = text(f'SELECT DISTINCT typeof("{column.name}") FROM {view.name}')
                assert set(session.scalars(query)) <= {storage[column.kind], "null"}, (
                    f"{view.name}.{column.name}"
                )
