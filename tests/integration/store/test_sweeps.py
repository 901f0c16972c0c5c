"""When a device's listing is due, and that one walker at a time has it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from chat_hygiene.settings import load_settings
from chat_hygiene.store import sweeps
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import chats, devices

NOW = datetime(2026, 5, 9, 3, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SETTINGS = load_settings(audit_key="a" * 32, pseudonym_key="p" * 32)
SYNCED = {"last_full_sync_at": NOW - HOUR, "last_sync_at": NOW - 5 * MINUTE}


@pytest.fixture
def device(sessions):
    """A device that lacks nothing; called, it changes the row and says whether it is due by now."""

    with sessions.begin() as session:
        row = insert(devices).values(
            provider="wassenger", device="d1", status="operative", product="io", **SYNCED
        )
        device_id = session.scalar(row.returning(devices.c.id))

    def due(**values):
        with sessions.begin() as session:
            if values:
                session.execute(update(devices).values(**values))
            assert sweeps.due(session, SETTINGS, now=NOW) in ([], [device_id])
            return sweeps.due(session, SETTINGS, now=NOW) == [device_id]

    due.id = device_id
    return due


@pytest.mark.parametrize(
    ("values", "is_due"),
    [
        ({}, False),
        ({"last_sync_at": NOW - 15 * MINUTE}, True),
        ({"last_sync_at": None}, True),
        ({"last_full_sync_at": None}, True),
        ({"last_full_sync_at": NOW - 24 * HOUR}, True),
        ({"sync_wanted_at": NOW - 30 * MINUTE}, True),
        ({"sync_wanted_at": NOW - HOUR}, False),
        ({"hinted_at": NOW - MINUTE}, True),
        ({"hinted_at": NOW - 6 * MINUTE}, False),
        ({"last_sync_at": NOW + MINUTE}, False),
        ({"last_sync_at": NOW + HOUR}, True),
        ({"last_full_sync_at": NOW + HOUR}, True),
        ({"sync_wanted_at": NOW + HOUR}, False),
        ({"hinted_at": NOW + HOUR}, False),
    ],
    ids=str,
)
def test_a_device_is_due_when_it_lacks_something(device, values, is_due):
    assert device(**values) is is_due


@pytest.mark.parametrize(
    ("values", "is_due"),
    [
        ({"status": "unpaid"}, False),
        ({"status": None}, False),
        ({"product": "basic"}, False),
        ({"product": None}, True),
        ({"session_status": "offline"}, True),
        ({"paused_until": NOW + MINUTE}, False),
        ({"paused_until": NOW}, True),
        ({"breaker_until": NOW + MINUTE}, False),
        ({"breaker_until": NOW}, True),
        ({"sync_owner": "another", "sync_until": NOW + MINUTE}, False),
        ({"sync_owner": "dead", "sync_until": NOW}, True),
        ({"sync_failed_at": NOW - timedelta(seconds=59)}, False),
        ({"sync_failed_at": NOW - MINUTE}, True),
        ({"sync_failed_at": NOW + HOUR}, True),
        ({"blocked_reason": "key"}, True),
        ({"blocked_reason": "key", "sync_failed_at": NOW - 14 * MINUTE}, False),
        ({"blocked_reason": "key", "sync_failed_at": NOW - 15 * MINUTE}, True),
    ],
    ids=str,
)
def test_a_device_that_lacks_a_sync_is_due_only_when_it_can_be_read_and_nobody_reads_it(
    device, values, is_due
):
    assert device(last_full_sync_at=None, **values) is is_due


@pytest.mark.parametrize(
    ("values", "is_due"),
    [
        ({}, False),
        ({"hinted_at": NOW}, True),
        ({"hinted_at": NOW, "removed_at": NOW, "wid": None}, False),
    ],
    ids=str,
)
def test_a_hinted_chat_makes_its_device_due_unless_it_is_removed(device, sessions, values, is_due):
    row = {
        "chat_ref": "chat_1",
        "key_id": "1",
        "chat_hint": "+44",
        "synced_at": NOW,
        "wid": "1@c.us",
        **values,
    }
    with sessions.begin() as session:
        session.execute(insert(chats).values(device_id=device.id, **row))
    assert device() is is_due


def test_a_wish_is_met_by_a_complete_sync_that_began_later_and_an_older_one_changes_nothing(device, sessions):
    for at in (NOW - 30 * MINUTE, NOW - 40 * MINUTE):
        with sessions.begin() as session:
            sweeps.want(session, [device.id], at=at)
    assert device()
    assert not device(last_full_sync_at=NOW - 30 * MINUTE)


def test_of_many_that_want_a_device_at_once_one_gets_it(device, sessions):
    def take(number):
        with sessions.begin() as session:
            return sweeps.lease(session, device.id, f"walker {number}", now=NOW, until=NOW + MINUTE)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(take, range(8))).count(True) == 1


def test_a_walker_without_the_lease_changes_nothing(device, sessions):
    before = {"sweep_page": 7, "sync_owner": "mine", "sync_until": NOW, "sweep": 3, "sweep_started_at": NOW}
    device(**before)
    with sessions.begin() as session:
        assert not sweeps.renew(session, device.id, "another", until=NOW + HOUR, page=9)
        assert not sweeps.close_sweep(session, device.id, "another", now=NOW)
        assert not sweeps.partly_synced(session, device.id, "another", at=NOW)
        sweeps.release(session, device.id, "another")
    with reading(sessions) as session:
        row = session.execute(select(devices)).one()._mapping
    assert {name: row[name] for name in (*before, *SYNCED)} == before | SYNCED


def test_a_complete_sync_counts_from_its_beginning_and_moves_no_later_watermark_back(device, sessions):
    device(
        sync_owner="mine",
        sync_until=NOW,
        sweep_started_at=NOW - 30 * MINUTE,
        sweep_page=4,
        sync_failed_at=NOW,
    )
    with sessions.begin() as session:
        assert sweeps.close_sweep(session, device.id, "mine", now=NOW)
    with reading(sessions) as session:
        row = session.execute(select(devices)).one()
    assert (row.last_full_sync_at, row.last_sync_at) == (NOW - 30 * MINUTE, NOW - 5 * MINUTE)
    assert (row.sweep_page, row.sync_failed_at) == (None, None)
