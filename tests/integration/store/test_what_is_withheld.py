"""What matches and was not queued stands in the views beside what is queued, until something else happens to the chat."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, text, update

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit, upcoming
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import (
    chats,
    devices,
    holds,
    jobs,
    policies,
    policy_runs,
    policy_versions,
    run_candidates,
    switches,
)
from support import golden
from support.world import DAY, NOW, RULE


def at(days):
    return (NOW + days * DAY).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rows(session, view):
    """The rows of a view, spelt as SQLite spells them."""
    return list(map(tuple, golden.rows(session, f"SELECT * FROM report_v1_{view} ORDER BY 1, 2, 3, 4")[1]))


LONG_AGO, SOON = NOW - 2 * DAY, NOW + 36500 * DAY


@pytest.fixture
def withheld(world):
    """Beside the jobs: chat 20, due for two days and stopped by a brake, and chat 21 on the other number, not due yet."""
    with world.begin() as session:
        for number, device, due, by in ((20, 1, LONG_AGO, "brake"), (21, 2, SOON, "stale")):
            session.execute(
                insert(chats).values(
                    id=number, device_id=device, wid=f"{number}@c.us", key_id="1", synced_at=NOW, labels=["old"],
                    chat_ref=f"chat_{number}", chat_hint=f"+44 ··· {number}",
                )
            )  # fmt: skip
            session.execute(
                insert(run_candidates).values(
                    run_id=2,
                    chat_id=number,
                    generation=1,
                    matched_at=NOW - 3 * DAY,
                    not_before=due,
                    withheld_by=by,
                )
            )
    return world


def shown(world):
    """{chat: what blocks it} of what is withheld, as the view tells it."""
    with reading(world) as session:
        return {row[2]: row[-1] for row in rows(session, "upcoming") if row[2] in {"chat_20", "chat_21"}}


def set_on(table, row_id, **values):
    return update(table).where(table.c.id == row_id).values(**values)


def test_it_is_listed_with_since_when_and_why(withheld):
    with reading(withheld) as session:
        found = [row for row in rows(session, "upcoming") if row[2] in {"chat_20", "chat_21"}]
    assert found == [
        ("resolved-30d", "d1", "chat_20", "+44 ··· 20", RULE, at(-3), at(-2), at(-2), "brake"),
        ("resolved-30d", "d2", "chat_21", "+44 ··· 21", RULE, at(-3), at(36500), None, "stale"),
    ]


def test_overdue_counts_it_from_the_day_on_which_it_should_have_gone(withheld):
    with reading(withheld) as session:
        overdue = {row[0]: row[-2:] for row in rows(session, "policies")}
        late = upcoming.late(session, now=NOW)
    assert overdue == {"keep-contracts": (0, None), "resolved-30d": (4, at(-2))}
    assert late == [upcoming.Late("resolved-30d", 4, LONG_AGO)]


@pytest.mark.parametrize(
    "happened",
    [
        set_on(chats, 20, removed_at=NOW),
        set_on(chats, 20, missing_since=NOW),
        set_on(chats, 20, generation=2),
        set_on(jobs, 4, chat_id=20),
        set_on(jobs, 5, chat_id=20),
        delete(run_candidates).where(run_candidates.c.chat_id == 20),
        update(run_candidates).where(run_candidates.c.chat_id == 20).values(withheld_by=None),
    ],
    ids=["removed", "missing", "another life", "being deleted", "deleted", "let go", "in a plan"],
)
def test_what_happened_to_the_chat_since_takes_it_off(withheld, happened):
    with withheld.begin() as session:
        session.execute(happened)
    assert shown(withheld) == {"chat_21": "stale"}
    with reading(withheld) as session:
        (overdue,) = [row[-2] for row in rows(session, "policies") if row[0] == "resolved-30d"]
        late = upcoming.late(session, now=NOW)
    assert (overdue, [each.chats for each in late]) == (3, [3])


def test_what_stands_in_its_way_now_is_told_before_what_once_did(withheld):
    with withheld.begin() as session:
        session.execute(
            insert(holds).values(
                id=9, scope="label", label="old", device_id=1, reason="x", held_by="bo", placed_at=NOW
            )
        )
    assert shown(withheld) == {"chat_20": "hold", "chat_21": "stale"}
    with withheld.begin() as session:
        session.execute(set_on(policies, 1, state="paused"))
    assert shown(withheld) == {"chat_20": "stopped", "chat_21": "stopped"}


def test_once_deleting_goes_on_nothing_blocks_what_the_stop_withheld(withheld):
    with withheld.begin() as session:
        session.execute(update(run_candidates).values(withheld_by="stopped"))
        session.execute(update(switches).where(switches.c.name == "stop").values(on=True))
    assert set(shown(withheld).values()) == {"stopped"}
    with withheld.begin() as session:
        session.execute(update(switches).where(switches.c.name == "stop").values(on=False))
    assert set(shown(withheld).values()) == {None}


USABLE = {"status": "operative", "session_status": "online", "blocked_reason": None, "paused_until": None}


@pytest.mark.parametrize(
    ("number", "blocked"),
    [
        (USABLE, None),
        (USABLE | {"session_status": "timeout"}, "offline"),
        (USABLE | {"status": "loading"}, "offline"),
        (USABLE | {"product": "gateway"}, "offline"),
        (USABLE | {"blocked_reason": "key"}, "offline"),
        (USABLE | {"paused_until": SOON}, "offline"),
        (USABLE | {"breaker_until": SOON}, "offline"),
        (USABLE | {"paused_until": NOW, "breaker_until": NOW}, None),
    ],
)
def test_a_number_that_cannot_be_used_blocks_its_jobs(world, number, blocked):
    with world.begin() as session:
        session.execute(set_on(devices, 2, **number))
    with reading(world) as session:
        assert [row[-1] for row in rows(session, "upcoming") if row[1] == "d2"] == [blocked]


@pytest.mark.parametrize(
    ("grace", "seen_ago", "blocked"),
    [
        ("7d", 6, "offline"),
        ("7d", 8, None),
        ("12h", 1, None),
        ("36h", 1, "offline"),
        (None, 900, "offline"),
        ("7d", None, "offline"),
    ],
)
def test_a_number_that_the_policy_waits_for_no_longer_does_not(world, grace, seen_ago, blocked):
    document = {"mode": "enforce", "delete": {"from_whatsapp": True}}
    if grace is not None:
        document["delete"]["offline_grace"] = grace
    with world.begin() as session:
        # The view asks the database what time it is.
        clock = "now()" if session.get_bind().dialect.name == "postgresql" else "datetime('now') || 'Z'"
        now = session.execute(text(f"SELECT {clock}")).scalar_one()
        now = now if not isinstance(now, str) else type(NOW).fromisoformat(now)
        seen = None if seen_ago is None else now - timedelta(days=seen_ago)
        session.execute(set_on(devices, 2, **USABLE | {"session_status": "offline", "last_online_at": seen}))
        newer = {"policy_id": 1, "version": 3, "created_by": "ana", "created_at": NOW, "rule": RULE}
        session.execute(insert(policy_versions).values(document=document, **newer))
        session.execute(set_on(policies, 1, version=3))
    with reading(world) as session:
        assert [row[-1] for row in rows(session, "upcoming") if row[1] == "d2"] == [blocked]


def test_due_chats_are_counted_by_what_keeps_them_back(withheld):
    with reading(withheld) as session:
        assert upcoming.blocks(session, now=NOW) == {"refused": 1, "offline": 1, "brake": 1}
        assert upcoming.blocked_by(session, "d1", "chat_20") == {"resolved-30d": "brake"}
        assert upcoming.blocked_by(session, "d1", "chat_99") == {}


def test_a_job_knows_its_place(world):
    with world.begin() as session:
        session.execute(set_on(jobs, 3, device_id=1))
        session.execute(set_on(jobs, 1, next_attempt_at=NOW + DAY))
        run = {"policy_id": 2, "version": 2, "trigger": "manual", "scheduled_for": NOW, "started_at": NOW}
        session.execute(
            insert(policy_runs).values(id=77, mode="enforce", state="done", requested_by="ana", **run)
        )
        session.execute(set_on(jobs, 2, policy_id=2, run_id=77))
    with reading(world) as session:
        found = {row["id"]: row for row in map(dict, session.execute(jobs.select()).mappings())}
        places = [upcoming.place(session, found[number]) for number in (1, 2, 3)]
    assert places == [
        upcoming.Place(in_policy=2, of_policy=2, on_device=3, of_device=3),
        upcoming.Place(in_policy=1, of_policy=1, on_device=1, of_device=3),
        upcoming.Place(in_policy=1, of_policy=2, on_device=2, of_device=3),
    ]


def test_the_audit_view_leaves_out_what_a_person_typed_and_nothing_else(world):
    told = [
        None,
        {},
        {"scope": "chat", "b": 1},
        {"because": "the case of A. Lovelace"},
        {"zeta": 'é "\\ \n\x1f /', "because": 'a "because": b', "a": [1, None, {"because": 2}], "share": 1.50, "on": True},
        {"of": "because", "x": '"because"'},
    ]  # fmt: skip
    with world.begin() as session:
        for detail in told:
            audit.append(session, Event.STARTED, at=NOW, actor="bo", detail=detail)
    with reading(world) as session:
        query = text("SELECT detail FROM report_v1_audit WHERE kind = 'started' ORDER BY seq")
        assert list(session.scalars(query)) == [
            None,
            "{}",
            '{"b":1,"scope":"chat"}',
            "{}",
            '{"a":[1,null,{"because":2}],"on":true,"share":1.5,"zeta":"é \\"\\\\ \\n\\u001f /"}',
            '{"of":"because","x":"\\"because\\""}',
        ]


def test_a_number_says_how_many_of_its_chats_no_policy_covers(world):
    with world.begin() as session:
        session.execute(set_on(devices, 1, uncovered=3))
    with reading(world) as session:
        assert [row[8] for row in rows(session, "devices")] == [3, None]
