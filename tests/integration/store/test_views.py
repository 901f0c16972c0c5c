"""What moves the report views: holds, the stop switch, silence. Their rows as such stand in `test_report_answers.py`."""

import pytest
from sqlalchemy import insert, text, update

from chat_hygiene.store import switches as store
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import holds, switches
from support.golden import rows
from support.world import DAY, NOW


def shown(session, view):
    return rows(session, f"SELECT * FROM report_v1_{view} ORDER BY 1, 2, 3, 4")[1]


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
        assert [row[-1] for row in shown(session, "upcoming")] == blocked


def test_upcoming_says_when_all_is_stopped(world):
    with world.begin() as session:
        session.execute(update(switches).where(switches.c.name == "stop").values(on=True))
    with reading(world) as session:
        assert {row[-1] for row in shown(session, "upcoming")} == {"stopped"}


def test_health_says_which_part_is_silent(world):
    with world.begin() as session:
        session.execute(
            update(switches).where(switches.c.name == "heartbeat:tick").values(at=NOW - 20000 * DAY)
        )
        session.execute(insert(switches).values(name="heartbeat:drain", at=NOW + 20000 * DAY))
    with reading(world) as session:
        found = {row[0]: row[3:] for row in shown(session, "health")}
    assert found == {
        "database": [1, None],
        "deleting": [1, None],
        "drain": [1, None],
        "tick": [0, "no sign of life for more than 5 minutes"],
    }


def test_health_says_when_deleting_is_stopped_and_since_when(world):
    with world.begin() as session:
        store.stop(session, reason="x", now=NOW, actor="ana")
    with reading(world) as session:
        (found,) = (row for row in shown(session, "health") if row[0] == "deleting")
    assert found == ["deleting", "2026-05-09T03:00:00.000005Z", "…", 0, "stopped by the stop switch"]


def test_the_age_of_a_debt_is_in_whole_seconds_until_now(world):
    with reading(world) as session:
        (age,) = session.scalars(text("SELECT age_seconds FROM report_v1_debt"))
        ticks = session.scalar(text("SELECT age_seconds FROM report_v1_health WHERE part = 'tick'"))
    assert isinstance(age, int)
    assert age == pytest.approx(ticks, abs=2)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM report_v1_changes ORDER BY at DESC LIMIT 100", "ix_audit_events_changes"),
        ("SELECT chats FROM report_v1_devices", "ix_chats_there"),
        ("SELECT * FROM report_v1_runs WHERE run_id = 1", "ix_jobs_run_id_state"),
        ("SELECT * FROM report_v1_audit WHERE chat_ref = 'chat_1'", "ix_audit_events_chat_ref"),
    ],
)
def test_a_long_audit_or_queue_is_not_read_in_full(sessions, query, index):
    with sessions() as session:
        if session.get_bind().dialect.name == "postgresql":
            # An empty table is read in full, or by whichever index comes first.
            session.execute(text("SET LOCAL enable_seqscan = off"))
            many = "FROM generate_series(1, 40) d"
            session.execute(text(f"INSERT INTO devices (id, provider, device) SELECT d, 'p', d {many}"))
            session.execute(
                text(
                    "INSERT INTO chats (device_id, wid, chat_ref, key_id, chat_hint, synced_at, last_inbound_at)"
                    f" SELECT d, n, n, 'k', 'h', now(), now() {many}, generate_series(1, 50) n"
                )
            )
            session.execute(text("ANALYZE chats"))
            plan = session.scalars(text(f"EXPLAIN {query}")).all()
        else:
            plan = [row[3] for row in session.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    assert index in " ".join(plan)
