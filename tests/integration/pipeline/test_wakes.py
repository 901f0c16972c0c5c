"""Wakes: what a tick says should be at work, and whether it came late."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from chat_hygiene.core.errors import DatabaseError
from chat_hygiene.pipeline import tick
from chat_hygiene.store import heartbeats
from chat_hygiene.store.tables import devices, jobs, policy_runs, switches
from support.timetable import DAY, HOUR, MIDNIGHT

MINUTE = timedelta(minutes=1)


def test_a_late_tick_is_told_once(table):
    assert table.tick().late is None
    assert table.tick(after=MINUTE).late is None
    assert table.tick(after=2 * MINUTE).late == 2 * MINUTE
    assert table.tick().late is None
    assert [json.loads(detail) for _, detail in table.events("tick.late")] == [{"seconds": 120}]


def test_a_tick_that_fails_gives_no_sign_of_life(table, monkeypatch):
    def away(*_, **__):
        raise DatabaseError("the database cannot be reached")

    table.tick()
    table.now += 2 * MINUTE
    with monkeypatch.context() as patch:
        patch.setattr(tick.debts, "due", away)
        with pytest.raises(DatabaseError):
            table.tick()
    assert table.tick(after=MINUTE).late == 3 * MINUTE


def test_an_account_that_was_never_listed_or_long_ago_is_listed(table):
    assert table.tick().account
    with table.context() as context, context.sessions.begin() as session:
        heartbeats.chore_done(session, "account", now=table.now)
    assert not table.tick(after=14 * MINUTE).account
    assert table.tick(after=MINUTE).account


def test_devices_that_lack_a_sync_are_named(table):
    fresh = table.number("d1")
    assert table.tick().devices == ()
    assert table.tick(after=15 * MINUTE).devices == (fresh,)
    table.number("d2", last_full_sync_at=None, last_sync_at=None)
    assert table.tick().devices == (1, 2)


JOB = {
    "chat_id": 1,
    "generation": 1,
    "device_id": 1,
    "chat_ref": "chat_1",
    "chat_hint": "+44",
    "run_id": 1,
    "policy_id": 1,
    "version": 1,
    "reason": "r",
    "state": "queued",
}


@pytest.fixture
def queued(table):
    """A number with one job that is due at midnight."""
    table.policy()
    table.number()
    table.chat(1)
    at = dict.fromkeys(("queued_at", "matched_at", "not_before", "next_attempt_at"), table.now)
    run = {"policy_id": 1, "version": 1, "trigger": "manual", "mode": "enforce", "state": "done"}
    times = dict.fromkeys(("scheduled_for", "started_at", "finished_at"), table.now - DAY)
    table.sql(insert(policy_runs).values(**run, **times, requested_by="tester"))
    table.sql(insert(jobs).values(**JOB, **at))
    return table


def test_due_jobs_wake_drain(queued):
    assert queued.tick().drain
    queued.sql(update(jobs).values(next_attempt_at=queued.now + MINUTE))
    assert not queued.tick().drain
    assert queued.tick(after=MINUTE).drain


@pytest.mark.parametrize(
    "device",
    [
        {"session_status": "offline"},
        {"status": "removed"},
        {"blocked_reason": "key"},
        {"paused_until": MIDNIGHT + HOUR},
        {"breaker_until": MIDNIGHT + HOUR},
    ],
)
def test_jobs_of_a_number_that_cannot_be_worked_wake_nobody(queued, device):
    queued.sql(update(devices).values(device))
    assert not queued.tick().drain


def test_a_stop_and_read_only_wake_nobody(queued):
    queued.overrides = {"read_only": True}
    assert not queued.tick().drain
    queued.overrides = {}
    assert queued.tick().drain
    queued.sql(
        update(switches)
        .where(switches.c.name == "stop")
        .values(on=True, at=queued.now, actor="ops", reason="r")
    )
    assert not queued.tick().drain


def test_a_lease_that_is_over_wakes_reconcile_whoever_held_it(queued):
    assert not queued.tick().reconcile
    lease = {"state": "leased", "lease_owner": "dead", "lease_until": queued.now + MINUTE}
    queued.sql(update(jobs).values(lease))
    assert not queued.tick().reconcile
    assert queued.tick(after=MINUTE).reconcile


def test_a_debt_that_is_due_for_a_look_is_named(queued):
    owed = {
        "state": "removed_locally",
        "whatsapp_state": "present",
        "platform_state": "forced",
        "debt_state": "open",
        "debt_opened_at": queued.now,
        "debt_next_probe_at": queued.now + MINUTE,
    }
    queued.sql(update(jobs).values(owed))
    assert not queued.tick().debts
    found = queued.tick(after=MINUTE)
    assert (found.debts, found.reconcile) == (True, False)


def test_an_unreadable_policy_does_not_stop_the_look(queued):
    queued.policy("bad")
    queued.spoil("bad", when={})
    queued.number("d2", session_status="offline")
    queued.chat(2, 2)
    queued.sql("update jobs set device_id = 2, chat_id = 2")
    assert queued.tick(after=3 * HOUR).runs == (2,)
