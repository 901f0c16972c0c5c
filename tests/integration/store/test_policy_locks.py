"""Who waits for whom on a policy's row, on the engine that locks rows; SQLite has one writer at a time anyway."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import OperationalError

from chat_hygiene.store import daily, policies, switches, versions
from chat_hygiene.store import tables as t
from chat_hygiene.store.versions import Change
from support.timetable import Timetable

NOW = datetime(2026, 5, 4, tzinfo=UTC)
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def stored(database_url, sessions):
    """A policy that is due, on a number."""
    table = Timetable(database_url, NOW)
    table.number()
    table.policy()
    with sessions.begin() as session:
        session.execute(update(t.policies).values(next_run_at=NOW))
        return policies.load(session)[0]


def change(session, stored):
    newer = stored.policy.model_copy(update={"description": "another"})
    _, version = versions.store(
        session, Change("changed", newer, stored.policy, stored.version), now=NOW, actor="dpo"
    )
    return version


def claim(session, _stored):
    (due,) = policies.due(session, now=NOW)
    assert policies.claim(session, due, next_run_at=NOW + timedelta(days=1))


HOLDERS = {
    "an evaluation": lambda session, stored: policies.lock(session, stored.id),
    "a scheduled evaluation": lambda session, stored: policies.try_lock(session, stored.id),
    "a tick": claim,
    "a change": change,
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_an_outcome_waits_for_nobody_who_holds_its_policy(sessions, stored, holder):
    with sessions.begin() as held, sessions.begin() as session:
        HOLDERS[holder](held, stored)
        session.execute(text("set local lock_timeout = '1s'"))
        daily.count(session, NOW.date(), [(stored.id, 1, "deleted")])


@pytest.mark.parametrize("holder", ["an evaluation", "a change"])
def test_a_policy_is_still_held_by_one_at_a_time(sessions, stored, holder):
    with sessions.begin() as held, sessions.begin() as session:
        HOLDERS[holder](held, stored)
        assert not policies.try_lock(session, stored.id)
        (due,) = policies.due(session, now=NOW)
        assert not policies.claim(session, due, next_run_at=NOW + timedelta(days=1))


@pytest.mark.parametrize("known", [True, False])
def test_a_policy_is_not_changed_under_a_gate_that_has_asked_what_it_says(sessions, stored, known):
    with sessions.begin() as gate:
        switches.enter_gate(gate)
        with pytest.raises(OperationalError, match="lock timeout"), sessions.begin() as session:
            session.execute(text("set local lock_timeout = '200ms'"))
            if known:
                change(session, stored)
            else:
                keep = stored.policy.model_copy(update={"name": "keep-vip"})
                versions.store(session, Change("new", keep, None, None), now=NOW, actor="dpo")
    with sessions.begin() as session:
        assert change(session, stored) == stored.version + 1
