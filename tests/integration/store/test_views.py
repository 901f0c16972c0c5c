"""The report views: the columns of the contract, and the same rows on both engines, without any number or name."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, inspect, text, update

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit, seals
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import (
    chats,
    daily_counts,
    devices,
    holds,
    jobs,
    policies,
    policy_runs,
    policy_versions,
    switches,
)
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

NOW = datetime(2026, 5, 9, 3, 0, 0, 5, tzinfo=UTC)  # as text 2026-05-09T03:00:00.000005Z
DAY = timedelta(days=1)
RULE = "resolved for 30 d or more"
NUMBER, NAME = "447362053576", "Ada Lovelace"


def at(days):
    moment = NOW + days * DAY
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def contract():
    lines = [line.partition(": ") for line in CONTRACT.strip().splitlines()]
    return {f"report_v1_{name}": columns.split(", ") for name, _, columns in lines}


def rows(session, view):
    """The rows of a view, spelt as SQLite spells them."""
    found = session.execute(text(f"SELECT * FROM report_v1_{view} ORDER BY 1, 2, 3, 4"))
    return [tuple(map(spell, row)) for row in found]


def spell(value):
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    return int(value) if isinstance(value, bool) else value


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


@pytest.fixture
def world(sessions):
    """Two numbers, a policy that ran, a keep-policy, and a job in every state."""
    with sessions.begin() as session:
        add = lambda table, **values: session.execute(insert(table).values(**values))  # noqa: E731
        add(
            devices, id=1, provider="wassenger", device="d1", alias="Support", status="operative",
            session_status="online", last_online_at=NOW, last_sync_at=NOW, last_full_sync_at=NOW - DAY,
        )  # fmt: skip
        add(
            devices,
            id=2,
            provider="wassenger",
            device="d2",
            session_status="offline",
            paused_until=NOW,
            blocked_reason="plan",
        )
        document = {"mode": "enforce", "schedule": "0 3 * * *", "timezone": "Europe/Madrid"}
        for number, (name, action) in enumerate([("resolved-30d", "delete"), ("keep-contracts", "keep")], 1):
            add(
                policies,
                id=number,
                name=name,
                action=action,
                state="active",
                version=2,
                created_at=NOW,
                next_run_at=NOW + DAY,
            )
            for version in (1, 2):
                add(
                    policy_versions, policy_id=number, version=version, created_by="ana", created_at=NOW,
                    document=document if action == "delete" else {}, rule=RULE,
                )  # fmt: skip
        run = {"policy_id": 1, "version": 2, "trigger": "schedule", "mode": "enforce", "requested_by": "ana"}
        add(
            policy_runs,
            id=1,
            scheduled_for=NOW - DAY,
            started_at=NOW - DAY,
            finished_at=NOW,
            state="done",
            seen=9,
            queued=8,
            **run,
        )
        add(
            policy_runs,
            id=2,
            scheduled_for=NOW,
            started_at=NOW,
            state="awaiting_approval",
            reason="max_chats",
            approved_by="bo",
            **run,
        )
        states = {
            1: {"state": "queued", "not_before": NOW + 36500 * DAY},
            2: {"state": "queued", "error_class": "refused", "error_code": "E1", "attempts": 1, "first_failed_at": NOW, "last_failed_at": NOW},
            3: {"state": "queued", "device_id": 2},
            4: {"state": "leased"},
            5: {"state": "deleted", "whatsapp_state": "confirmed", "platform_state": "removed", "finished_at": NOW},
            6: {
                "state": "removed_locally", "whatsapp_state": "present", "platform_state": "forced", "finished_at": NOW,
                "error_class": "refused", "debt_state": "open", "debt_reason": "refused", "debt_opened_at": NOW,
                "debt_probes": 2, "debt_next_probe_at": NOW + DAY,
            },
            7: {"state": "already_gone", "whatsapp_state": "unknown", "platform_state": "removed", "finished_at": NOW},
            8: {"state": "failed", "error_class": "no_answer", "attempts": 5, "first_failed_at": NOW - DAY, "last_failed_at": NOW},
            9: {"state": "cancelled"},
        }  # fmt: skip
        for number, values in states.items():
            chat = {
                "device_id": values.get("device_id", 1),
                "chat_ref": f"chat_{number}",
                "chat_hint": f"+44 ··· 0{number}",
            }
            gone = number in (5, 6, 7)
            add(
                chats, id=number, wid=f"{NUMBER}{number}@c.us", name=NAME, key_id="1", synced_at=NOW, labels=["vip"],
                removed_at=NOW if gone else None, **chat,
            )  # fmt: skip
            times = {
                "queued_at": NOW - DAY,
                "matched_at": NOW - DAY,
                "not_before": NOW - DAY,
                "next_attempt_at": NOW,
            }
            ids = {
                "id": number,
                "chat_id": number,
                "generation": 1,
                "run_id": 1,
                "policy_id": 1,
                "version": 2,
            }
            add(jobs, reason=RULE, **{**ids, **chat, **times, **values})
        add(daily_counts, day=NOW.date(), policy_id=1, device_id=1, deleted=3, removed_locally=1, failed=1)
        add(
            holds,
            id=1,
            scope="chat",
            chat_ref="chat_99",
            reason=f"the case of {NAME}",
            held_by="bo",
            placed_at=NOW,
        )
        add(
            holds,
            id=2,
            scope="device",
            device_id=1,
            reason="x",
            held_by="bo",
            placed_at=NOW,
            until=NOW,
            released_at=NOW,
        )
        session.execute(update(switches).where(switches.c.name == "stop").values(actor="ana"))
        add(switches, name="heartbeat:tick", at=NOW)
        policy = {"at": NOW, "actor": "ana", "policy": "resolved-30d"}
        audit.append(session, Event.POLICY_CREATED, policy_version=1, **policy)
        audit.append(session, Event.POLICY_CHANGED, policy_version=2, **policy)
        audit.append(session, Event.POLICY_PAUSED, policy_version=2, **policy)
        audit.append(
            session,
            Event.JOB_DELETED,
            run_id=1,
            job_id=5,
            device="d1",
            chat_ref="chat_5",
            outcome="deleted",
            **policy,
        )
    with sessions.begin() as session:
        seals.seal(session, b"k" * 32, NOW)
    with sessions.begin() as session:
        audit.append(session, Event.HOLD_PLACED, at=NOW, actor="bo", detail={"scope": "chat"})
        audit.append(session, Event.STOPPED, at=NOW, actor="ana")
    return sessions


def test_policies(world):
    with reading(world) as session:
        assert rows(session, "policies") == [
            ("keep-contracts", 2, None, "active", None, None, RULE, at(1), None, None, 0, None),
            (
                "resolved-30d", 2, "enforce", "active", "0 3 * * *", "Europe/Madrid", RULE, at(1), at(0),
                "awaiting_approval", 3, at(-1),
            ),
        ]  # fmt: skip


def test_runs(world):
    with reading(world) as session:
        first = (1, "resolved-30d", 2, "schedule", at(-1), at(-1), at(0), "enforce", "done", None)
        second = (
            2,
            "resolved-30d",
            2,
            "schedule",
            at(0),
            at(0),
            None,
            "enforce",
            "awaiting_approval",
            "max_chats",
        )
        assert rows(session, "runs") == [
            (*first, 9, 0, 0, 0, 0, 0, 8, 1, 1, 1, 1, 1, "ana", None),
            (*second, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, "ana", "bo"),
        ]


def test_deletions(world):
    head = (1, "resolved-30d", 2, "d1")
    with reading(world) as session:
        assert rows(session, "deletions") == [
            (
                5,
                *head,
                "chat_5",
                "+44 ··· 05",
                RULE,
                "deleted",
                "confirmed",
                "removed",
                at(-1),
                at(0),
                0,
                None,
                None,
            ),
            (
                6,
                *head,
                "chat_6",
                "+44 ··· 06",
                RULE,
                "removed_locally",
                "present",
                "forced",
                at(-1),
                at(0),
                0,
                "refused",
                None,
            ),
            (
                7,
                *head,
                "chat_7",
                "+44 ··· 07",
                RULE,
                "already_gone",
                "unknown",
                "removed",
                at(-1),
                at(0),
                0,
                None,
                None,
            ),
        ]
        assert rows(session, "deletions_daily") == [("2026-05-09", "resolved-30d", "d1", 3, 1, 0, 1)]


def test_upcoming(world):
    with reading(world) as session:
        assert rows(session, "upcoming") == [
            ("resolved-30d", "d1", "chat_1", "+44 ··· 01", RULE, at(-1), at(36500), None, None),
            ("resolved-30d", "d1", "chat_2", "+44 ··· 02", RULE, at(-1), at(-1), at(-1), "refused"),
            ("resolved-30d", "d2", "chat_3", "+44 ··· 03", RULE, at(-1), at(-1), at(-1), "offline"),
        ]


@pytest.mark.parametrize(
    ("scope", "blocked"),
    [
        ({"scope": "chat", "chat_ref": "chat_1"}, ["hold", "refused", "offline"]),
        ({"scope": "chat", "chat_ref": "chat_1", "device_id": 2}, [None, "refused", "offline"]),
        ({"scope": "label", "label": "vip"}, ["hold", "hold", "hold"]),
        ({"scope": "label", "label": "vip", "device_id": 1}, ["hold", "hold", "offline"]),
        ({"scope": "label", "label": "vi"}, [None, "refused", "offline"]),
        ({"scope": "device", "device_id": 2}, [None, "refused", "hold"]),
        ({"scope": "device", "device_id": 2, "until": NOW}, [None, "refused", "offline"]),
        ({"scope": "device", "device_id": 2, "until": NOW + 36500 * DAY}, [None, "refused", "hold"]),
        ({"scope": "device", "device_id": 2, "released_at": NOW}, [None, "refused", "offline"]),
    ],
)
def test_upcoming_says_which_chats_a_hold_blocks(world, scope, blocked):
    with world.begin() as session:
        session.execute(insert(holds).values(id=9, reason="x", held_by="bo", placed_at=NOW, **scope))
    with reading(world) as session:
        assert [row[-1] for row in rows(session, "upcoming")] == blocked


def test_upcoming_says_when_all_is_stopped(world):
    with world.begin() as session:
        session.execute(update(switches).where(switches.c.name == "stop").values(on=True))
    with reading(world) as session:
        assert {row[-1] for row in rows(session, "upcoming")} == {"stopped"}


def test_failures(world):
    with reading(world) as session:
        assert rows(session, "failures") == [
            (2, "resolved-30d", "d1", "chat_2", "+44 ··· 02", "refused", "E1", 1, at(0), at(0), at(0), 0),
            (8, "resolved-30d", "d1", "chat_8", "+44 ··· 08", "no_answer", None, 5, at(-1), at(0), None, 1),
        ]


def test_debt(world):
    with reading(world) as session:
        ((*before, age, reason, probes, next_probe, state, settled),) = rows(session, "debt")
    assert before == [6, "d1", "chat_6", "+44 ··· 06", "resolved-30d", at(0)]
    assert isinstance(age, int)
    assert (reason, probes, next_probe, state, settled) == ("refused", 2, at(1), "open", None)


def test_devices(world):
    with reading(world) as session:
        assert rows(session, "devices") == [
            ("d1", "Support", "operative", "online", at(0), at(0), at(-1), 5, None, None, None),
            ("d2", None, None, "offline", None, None, None, 1, None, at(0), "plan"),
        ]


def test_holds(world):
    with reading(world) as session:
        assert rows(session, "holds") == [
            (1, "chat", "chat_99", None, None, "bo", at(0), None, None),
            (2, "device", None, None, "d1", "bo", at(0), at(0), at(0)),
        ]


def test_changes(world):
    with reading(world) as session:
        assert rows(session, "changes") == [
            (at(0), "ana", "policy.changed", "resolved-30d", "resolved-30d", 1, 2),
            (at(0), "ana", "policy.created", "resolved-30d", "resolved-30d", None, 1),
            (at(0), "ana", "policy.paused", "resolved-30d", "resolved-30d", 2, 2),
            (at(0), "ana", "stopped", "switch", None, None, None),
            (at(0), "bo", "hold.placed", "hold", None, None, None),
        ]


def test_audit(world):
    with reading(world) as session:
        found = rows(session, "audit")
    assert [row[-1] for row in found] == [1, 1, 1, 1, 0, 0]
    assert found[3][1:] == (
        at(0), "job.deleted", "ana", "resolved-30d", None, 1, 5, "d1", "chat_5", "deleted", None, 1,
    )  # fmt: skip
    assert found[4][1:] == (at(0), "hold.placed", "bo", *[None] * 7, '{"scope":"chat"}', 0)


def test_health(world):
    with world.begin() as session:
        session.execute(
            update(switches).where(switches.c.name == "heartbeat:tick").values(at=NOW - 20000 * DAY)
        )
        session.execute(insert(switches).values(name="heartbeat:drain", at=NOW + 20000 * DAY))
    with reading(world) as session:
        found = {row[0]: row[1:] for row in rows(session, "health")}
    assert found["database"][1:] == (0, 1, None)
    assert found["drain"][2:] == (1, None)
    assert found["tick"][2:] == (0, "no sign of life for more than 5 minutes")


def test_no_view_shows_a_number_or_a_name(world):
    with reading(world) as session:
        shown = "".join(str(rows(session, view.removeprefix("report_v1_"))) for view in contract())
    assert NUMBER not in shown
    assert NAME not in shown
