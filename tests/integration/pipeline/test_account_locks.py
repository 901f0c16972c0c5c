"""Listing the account and asking for syncs lock the same rows in the same order, on the engine that locks rows."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.store import sweeps
from integration.pipeline.conftest import DEVICE
from integration.pipeline.syncing import listed

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
WAITING = text(
    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
)


def test_a_listing_in_any_order_and_a_wish_for_syncs_never_deadlock(rig):
    listed(rig)
    rig.world.add_device(device_record("5f0c1d2e3a4b5c6d7e8f9a0c", alias="Sales"))
    listed(rig)
    # The account's own order is now another than that of our rows.
    rig.world.devices[DEVICE] = rig.world.devices.pop(DEVICE)
    with rig.ledger() as ledger, ThreadPoolExecutor(1) as pool:
        sessions, now = ledger.context.sessions, rig.now()
        with sessions.begin() as session:
            sweeps.want(session, [1], at=now)
            listing = pool.submit(listed, rig)
            with sessions.begin() as watching:
                while not watching.scalar(WAITING) and not listing.done():
                    watching.execute(text("select pg_stat_clear_snapshot()"))
            sweeps.want(session, [2], at=now)
        assert [device.id for device in listing.result()] == [1, 2]
    assert rig.sql("select count(*) from devices where sync_wanted_at is not null") == [(2,)]
