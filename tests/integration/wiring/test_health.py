"""Health is what executed work left behind: a silent part is unwell, a stop is only told."""

from datetime import timedelta

import pytest
from sqlalchemy import text, update

from chat_hygiene.store import heartbeats
from chat_hygiene.store.tables import switches
from chat_hygiene.wiring.health import QUEUES, SILENCE, TICK, health
from support.world import NOW


def beat_all(ledger, *, but=(), at=NOW):
    with ledger.context.sessions.begin() as session:
        for name in {*SILENCE} - {*but}:
            heartbeats.beat(session, name, now=at)


def parts(ledger, now=NOW):
    return {part.name: part for part in health(ledger, now=now).parts}


def test_all_is_well_when_every_part_worked_lately(ledger):
    beat_all(ledger, at=NOW - timedelta(minutes=1))
    found = health(ledger, now=NOW)
    assert found.ok
    assert [part.name for part in found.parts] == ["database", TICK, *QUEUES, "deleting"]
    assert found.parts[1].age_seconds == 60


@pytest.mark.parametrize("name", SILENCE)
def test_a_part_that_never_worked_is_unwell(ledger, name):
    beat_all(ledger, but=[name])
    assert not health(ledger, now=NOW).ok
    assert parts(ledger)[name].ok is False
    assert parts(ledger)[name].says == "no sign of life yet"


@pytest.mark.parametrize("name", SILENCE)
def test_a_part_is_unwell_once_it_is_silent_for_longer_than_it_may(ledger, name):
    beat_all(ledger)
    assert parts(ledger, NOW + SILENCE[name])[name].ok is True
    late = parts(ledger, NOW + SILENCE[name] + timedelta(microseconds=1))[name]
    assert late.ok is False
    assert "minutes" in late.says


def test_a_clock_that_runs_ahead_elsewhere_makes_no_negative_age(ledger):
    beat_all(ledger, at=NOW + timedelta(seconds=5))
    assert parts(ledger)[TICK].age_seconds == 0


def test_a_stop_is_told_without_its_reason_and_is_no_illness(ledger):
    beat_all(ledger)
    assert parts(ledger)["deleting"].says == "goes on"
    with ledger.context.sessions.begin() as session:
        stop = {"on": True, "at": NOW, "actor": "ana", "reason": "the case of Ada Lovelace"}
        session.execute(update(switches).where(switches.c.name == "stop").values(**stop))
    assert health(ledger, now=NOW).ok
    assert parts(ledger)["deleting"].says == "is stopped since 2026-05-09 03:00 UTC"


@pytest.mark.parametrize(
    "statement", ["DROP TABLE alembic_version", "UPDATE alembic_version SET version_num = '0001'"]
)
def test_another_schema_is_told(ledger, statement):
    with ledger.context.sessions.begin() as session:
        session.execute(text(statement))
    (database,) = health(ledger, now=NOW).parts
    assert database.ok is False
    assert "this program needs" in database.says


def test_a_broken_ledger_is_an_answer_and_no_exception(ledger):
    with ledger.context.sessions.begin() as session:
        session.execute(text("ALTER TABLE switches RENAME TO gone"))
    (database,) = health(ledger, now=NOW).parts
    assert (database.name, database.ok) == ("database", False)
    assert "gone" not in database.says
