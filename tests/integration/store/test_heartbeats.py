"""The last sign of life of each part is kept, and reported by the health view."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import text

from chat_hygiene.clock import utc_now
from chat_hygiene.store import heartbeats
from chat_hygiene.store.engine import reading
from chat_hygiene.store.heartbeats import Heartbeat
from support.world import NOW

LATER = NOW + timedelta(seconds=30)


def beat(sessions, part, at, detail=None):
    with sessions.begin() as session:
        return heartbeats.beat(session, part, now=at, detail=detail)


def known(sessions):
    with reading(sessions) as session:
        return heartbeats.read(session)


def test_a_beat_is_kept_with_its_facts_and_tells_of_the_one_before(sessions):
    assert beat(sessions, "tick", NOW, {"lag": 1}) is None
    assert beat(sessions, "delete", NOW) is None
    assert beat(sessions, "tick", LATER) == NOW
    assert known(sessions) == [Heartbeat("delete", NOW, None), Heartbeat("tick", LATER, None)]


def test_an_older_beat_that_comes_late_changes_nothing(sessions):
    beat(sessions, "tick", LATER, {"kept": True})
    assert beat(sessions, "tick", NOW, {"kept": False}) == LATER
    assert known(sessions) == [Heartbeat("tick", LATER, {"kept": True})]


def test_other_switches_are_no_heartbeats(sessions):
    with reading(sessions) as session:
        assert session.scalar(text("SELECT count(*) FROM switches")) > 0
    assert known(sessions) == []


def test_a_chore_is_remembered_and_is_no_part_that_must_be_alive(sessions):
    with sessions.begin() as session:
        assert heartbeats.chore_done_at(session, "purge") is None
        heartbeats.chore_done(session, "purge", now=LATER)
        heartbeats.chore_done(session, "purge", now=NOW)
        assert heartbeats.chore_done_at(session, "purge") == LATER
        parts = session.execute(text("SELECT part FROM report_v1_health ORDER BY part")).scalars().all()
        assert parts == ["database", "deleting"]
    assert known(sessions) == []


def test_many_may_give_their_first_beat_at_once(sessions):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: beat(sessions, "sync", NOW + timedelta(seconds=number)), range(8)))
    assert [each.at for each in known(sessions)] == [NOW + timedelta(seconds=7)]


def test_the_health_view_shows_it(sessions):
    beat(sessions, "tick", utc_now())
    beat(sessions, "sync", utc_now() - timedelta(hours=1))
    with reading(sessions) as session:
        rows = session.execute(text("SELECT part, ok FROM report_v1_health ORDER BY part")).all()
    assert [(row.part, bool(row.ok)) for row in rows] == [
        ("database", True), ("deleting", True), ("sync", False), ("tick", True),
    ]  # fmt: skip
