"""A sync beside other work: several devices at once, and half of a device's requests for its jobs."""

import asyncio
from datetime import timedelta

import pytest

from chat_hygiene.pipeline import drain, evaluate, sync, turns
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.pipeline.sync import AT_ONCE
from chat_hygiene.providers import registry
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.store import sweeps
from integration.pipeline.conftest import DEVICE
from integration.pipeline.syncing import Odd, listed, one_slice, pages, queue, whole, with_reader


@pytest.fixture
def devices(rig):
    """Twelve numbers with two chats each."""
    ids = [DEVICE, *(f"{DEVICE[:-2]}{number:02d}" for number in range(11))]
    for device in ids:
        rig.world.add_device(device_record(device))
        for number in range(2):
            rig.chat(number, device=device)
    return ids


def test_devices_are_read_side_by_side_but_not_all_at_once(rig, devices):
    reading, most = set(), []
    others = asyncio.Event()

    async def chats(inner, device, page, size):
        reading.add(device)
        most.append(len(reading))
        if len(reading) == AT_ONCE:
            others.set()
        # The first ones stay until the eighth is there too: nobody is read alone.
        await others.wait()
        answer = await inner.chats(device, page=page, size=size)
        if page > 0:
            reading.discard(device)
        return answer

    report = whole(rig, odd=lambda reader: Odd(reader, chats))
    assert report.complete
    assert max(most) == AT_ONCE
    assert {each.device for each in report.devices} == set(devices)
    assert rig.sql("select count(*) from chats") == [(24,)]


def test_a_number_that_fails_stops_no_other_and_the_progress_counts_each(rig, devices):
    rig.world.script(faults.malformed(on=On(route="chats", device=devices[3], times=None)))
    told = {}

    def work(context, reader):
        return sync.run(
            context,
            reader,
            full=True,
            pacer=Pacer(context),
            now=context.clock(),
            progress=lambda device, seen: told.update({device: seen}),
        )

    report = with_reader(rig, work)
    assert [each.device for each in report.devices if each.problem] == [devices[3]]
    assert told == dict.fromkeys(set(devices) - {devices[3]}, 2)
    failed = rig.sql("select device from devices where sync_failed_at is not null")
    assert failed == [(devices[3],)]
    rig.world.clear_script()
    assert whole(rig).complete
    assert rig.sql("select count(*) from devices where sync_failed_at is not null") == [(0,)]


def test_while_jobs_are_due_a_sweep_takes_at_most_half_of_the_requests(rig):
    for number in range(40):
        rig.chat(number, quiet_days=60 + number)
    rig.apply()
    listed(rig)
    whole(rig)
    rig.overrides = {"page_size": 1, "requests_per_minute": 600, "full_sync_interval_seconds": 1}
    rig.offset += timedelta(hours=1)

    async def work(context, reader):
        now = context.clock()
        evaluate.run(context, "resolved-30d", trigger="manual", slot=now, now=now)
        deleter = registry.open_deleter(context.settings, context.clock)
        swept = sync.slice_(
            context,
            reader,
            1,
            pacer=Pacer(context),
            until=now + timedelta(minutes=1),
            stop=lambda: len(rig.deleted()) >= 12,
        )
        drained = drain.run(
            context,
            reader,
            deleter,
            pacer=Pacer(context),
            horizon=timedelta(minutes=1),
            stop=lambda: len(rig.deleted()) >= 12,
        )
        try:
            return await asyncio.gather(swept, drained)
        finally:
            await deleter.aclose()

    # The bucket is empty: what was saved up says nothing about shares.
    rig.sql("update devices set tokens = 0, tokens_at = last_seen_at")
    before = len(rig.world.seen())
    with_reader(rig, work)
    read = len(pages(rig, before))
    rest = len(rig.world.seen()) - before - read
    assert read >= 1, "the sweep goes on beside the jobs"
    assert read <= rest + 1, f"{read} requests of the sweep, {rest} for jobs"


def test_while_jobs_are_due_a_sync_spends_nothing_that_was_saved_up(rig):
    for number in range(12):
        rig.chat(number, quiet_days=60 + number)
    rig.apply()
    whole(rig)
    queue(rig)
    rig.overrides = {"page_size": 1, "requests_per_minute": 120}
    rig.offset += timedelta(days=1)
    before = len(rig.world.seen())
    assert one_slice(rig, seconds=3.5).more
    assert len(rig.world.seen()) - before <= 3, "one a second: half of two"
    rig.sql("update jobs set state = 'cancelled'")
    assert not one_slice(rig).more


def test_at_a_request_a_minute_three_of_a_slice_fit_into_the_time_of_a_task(rig):
    rig.chat(1)
    rig.apply()
    whole(rig)
    queue(rig)
    rig.overrides = {"requests_per_minute": 1}
    with rig.ledger() as ledger, ledger.reading() as session:
        settings, now = ledger.context.settings, rig.now()
        at = turns.not_before(session, settings, 1, last=now, now=now)
        # A token takes a minute; a slice begins its last read in time for the answer.
        assert timedelta(0) < at - now <= timedelta(minutes=1)


def test_a_sync_of_all_waits_for_the_walker_that_has_a_device(rig):
    rig.chat(1)
    listed(rig)
    until = rig.now() + timedelta(seconds=2)
    with rig.ledger() as ledger, ledger.context.sessions.begin() as session:
        assert sweeps.lease(session, 1, "another", now=rig.now(), until=until)
    assert whole(rig).complete
    assert min(seen.at for seen in rig.world.seen(route="chats")) >= until
    assert rig.sql("select sync_owner from devices") == [(None,)]
