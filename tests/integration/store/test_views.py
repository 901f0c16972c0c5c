"""The report views show the same rows on both engines, without any number or name."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert, text, update

from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import holds, switches
from chat_hygiene.store.views import VIEWS
from support.world import DAY, NAME, NOW, NUMBER, RULE


def at(days):
    moment = NOW + days * DAY
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
        shown = "".join(str(rows(session, view.name.removeprefix("report_v1_"))) for view in VIEWS)
    assert NUMBER not in shown
    assert NAME not in shown
