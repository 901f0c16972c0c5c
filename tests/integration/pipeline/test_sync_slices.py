"""Slices: a device is read by one walker at a time, bit by bit, and a sweep goes on where the last slice left it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import update

from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.store import hints
from chat_hygiene.store.tables import devices
from integration.pipeline.conftest import DEVICE
from integration.pipeline.syncing import due, hinted, listed, one_slice, pages, whole


def fill(rig, number, **fields):
    return [rig.chat(each, quiet_days=60 + each, **fields) for each in range(number)]


def test_a_listing_that_no_slice_can_read_is_complete_after_many(rig):
    rig.overrides = {"page_size": 2}
    wids = fill(rig, 11)
    listed(rig)
    # Each slice is a new process whose time is over when it begins.
    first = one_slice(rig, seconds=0)
    assert (first.more, first.report.problem) == (True, None)
    ((began,),) = rig.sql("select sweep_started_at from devices")
    slices = 1
    while one_slice(rig, seconds=0).more:
        slices += 1
        assert slices < 20, "no slice ends without getting on"
    assert {wid for (wid,) in rig.sql("select wid from chats")} == set(wids)
    assert rig.sql("select last_full_sync_at from devices") == [(began,)], "complete as of its beginning"
    assert pages(rig) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert due(rig) == []


def test_a_sweep_goes_on_as_long_as_it_is_fresh_enough_to_delete_by_and_begins_again_after(rig):
    rig.overrides = {"page_size": 2}
    fill(rig, 9)
    listed(rig)
    rig.world.script(faults.malformed(on=On(route="chats", nth=4)))
    assert one_slice(rig).report.problem is not None
    rig.offset += timedelta(hours=5)
    before = len(rig.world.seen())
    rig.world.script(faults.malformed(on=On(route="chats", nth=3)))
    assert one_slice(rig).report.problem is not None
    assert pages(rig, before) == [2, 3, 4], "past the sync interval, from one page before"
    rig.offset += timedelta(hours=2)
    before = len(rig.world.seen())
    assert one_slice(rig).report.problem is None
    assert pages(rig, before) == [0, 1, 2, 3, 4], "what began seven hours ago would be stale when complete"


def test_two_processes_never_walk_one_device(rig):
    rig.overrides = {"page_size": 2}
    fill(rig, 9)
    listed(rig)
    together = threading.Barrier(4)

    def work(_):
        together.wait()
        return one_slice(rig)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(work, range(4)))
    assert [each.report for each in done].count(None) == 3
    assert not any(each.more for each in done if each.report is None)
    assert pages(rig) == [0, 1, 2, 3, 4]
    assert rig.sql("select sync_owner, sync_until from devices") == [(None, None)]


def test_a_dead_walkers_lease_is_left_alone_until_it_ends(rig):
    listed(rig)
    until = rig.now() + timedelta(minutes=2)
    with rig.ledger() as ledger, ledger.context.sessions.begin() as session:
        session.execute(update(devices).values(sync_owner="dead", sync_until=until))
    assert due(rig) == []
    assert one_slice(rig).report is None
    assert pages(rig) == []
    rig.offset += timedelta(minutes=2)
    assert due(rig) == [1]
    assert one_slice(rig).report.full


def test_a_walker_that_lost_its_lease_stores_nothing_more(rig):
    rig.overrides = {"page_size": 2}
    fill(rig, 9)
    listed(rig)
    stored = []

    def taken():
        # The page before may be stored beside this request, or not be stored any more: what counts is from here on.
        rig.sql("update devices set sync_owner = 'another'")
        stored.append(rig.sql("select count(*) from chats"))

    rig.world.script(faults.before(taken, on=On(route="chats", nth=3)))
    assert one_slice(rig).report is None
    assert [rig.sql("select count(*) from chats")] == stored
    assert pages(rig) in ([0, 1, 2], [0, 1, 2, 3]), "no more than what was on its way"
    assert rig.sql("select sync_owner, last_full_sync_at from devices") == [("another", None)]


def test_a_slice_that_is_told_to_stop_asks_nothing_more_and_the_next_goes_on(rig):
    rig.overrides = {"page_size": 2}
    fill(rig, 9)
    listed(rig)
    before = len(rig.world.seen())
    first = one_slice(rig, stop=lambda: len(pages(rig)) >= 2)
    assert first.more
    assert pages(rig) == [0, 1]
    assert not one_slice(rig).more
    assert pages(rig, before) == [0, 1, 1, 2, 3, 4]


def test_changes_that_outlast_a_slice_become_a_complete_sync_which_can_go_on(rig):
    rig.overrides = {"page_size": 2}
    wids = fill(rig, 9)
    whole(rig)
    rig.offset += timedelta(minutes=16)
    for wid in wids:
        rig.world.message_arrives(DEVICE, wid)
    # Its time is over while it waits for the second page.
    rig.world.script(faults.delay(5, on=On(route="chats", nth=2)))
    first = one_slice(rig, seconds=4)
    assert (first.more, first.report.full) == (True, False)
    assert due(rig) == [1]
    rest = [one_slice(rig, seconds=0) for _ in range(6)]
    assert [each.more for each in rest] == [True] * 4 + [False] * 2
    assert all(each.report.full for each in rest[:5])
    assert rig.sql("select count(*) from chats where status = 'active'") == [(len(wids),)]
    assert due(rig) == []


def test_a_pause_within_a_slice_is_sat_out_and_a_longer_one_ends_it_without_failing_the_sync(rig):
    rig.overrides = {"page_size": 2}
    wids = fill(rig, 9)
    listed(rig)
    rig.world.script(
        faults.rate_limited("1", on=On(route="chats", nth=2)),
        faults.rate_limited("300", on=On(route="chats", nth=4)),
    )
    found = one_slice(rig)
    assert not found.more
    assert "pause" in found.report.problem
    assert pages(rig) == [0, 1, 1, 2]
    assert rig.sql("select sync_failed_at from devices") == [(None,)]
    assert due(rig) == [], "not before the pause is over"
    rig.offset += timedelta(seconds=301)
    assert due(rig) == [1]
    assert one_slice(rig).report.problem is None
    assert rig.sql("select count(*) from chats") == [(len(wids),)]


def test_a_key_that_is_refused_in_the_middle_blocks_the_device_until_a_good_read(rig):
    rig.overrides = {"page_size": 2}
    wids = fill(rig, 9)
    listed(rig)
    rig.world.script(faults.status(401, on=On(route="chats", nth=3, times=2)))
    assert one_slice(rig).report.problem is not None
    assert rig.sql("select blocked_reason from devices") == [("key",)]
    rig.offset += timedelta(minutes=5)
    assert due(rig) == [], "a blocked device is tried once in an interval"
    rig.offset += timedelta(minutes=11)
    assert due(rig) == [1]
    before = len(rig.world.seen())
    assert one_slice(rig).report.problem is not None
    assert pages(rig, before) == [1], "one page only"
    rig.offset += timedelta(minutes=16)
    assert one_slice(rig).report.problem is None
    assert rig.sql("select blocked_reason, sync_failed_at from devices") == [(None, None)]
    assert rig.sql("select count(*) from chats") == [(len(wids),)]
    kinds = [
        kind for (kind,) in rig.sql("select kind from audit_events where kind like 'device.%' order by seq")
    ]
    assert kinds == ["device.blocked", "device.unblocked"]


def test_hinted_chats_are_read_alone_and_a_flood_of_hints_queues_and_deletes_nothing(rig):
    rig.apply()
    wids = fill(rig, 25)
    whole(rig)
    for wid in wids:
        rig.world.change_chat(DEVICE, wid, labels=["vip"])
    hinted(rig, DEVICE, *wids)
    assert due(rig) == [1]
    before = len(rig.world.seen())
    done = [one_slice(rig) for _ in range(4)]
    assert [each.more for each in done] == [True, True, False, False]
    assert [each.report is None for each in done] == [False, False, False, True]
    assert pages(rig, before) == []
    assert rig.sql("select count(*) from chats where hinted_at is null") == [(len(wids),)]
    assert all("vip" in str(labels) for (labels,) in rig.sql("select labels from chats"))
    assert rig.sql("select count(*) from jobs") == [(0,)]
    assert rig.deleted() == []


def test_a_hinted_chat_that_is_gone_or_cannot_be_read_loses_only_its_hint(rig):
    gone, odd, good = fill(rig, 3)
    whole(rig)
    columns = "wid, status, missing_since, removed_at, generation, seen_sweep"
    before = rig.sql(f"select {columns} from chats order by id")
    hinted(rig, DEVICE, gone, odd, good)
    rig.world.forget(DEVICE, gone)
    rig.world.change_chat(DEVICE, odd, labels=[7])
    found = one_slice(rig)
    assert (found.report.problem, found.more) == (None, False)
    assert rig.sql(f"select {columns} from chats order by id") == before
    assert rig.sql("select count(*) from chats where hinted_at is not null") == [(0,)]
    assert rig.sql("select blocked_reason, breaker_failures from devices") == [(None, 0)]


def test_hinted_chats_whose_reads_always_fail_hold_nothing_up(rig):
    bad, worse, good = fill(rig, 3)
    whole(rig)
    hinted(rig, DEVICE, bad, worse)
    rig.offset += timedelta(seconds=1)
    hinted(rig, DEVICE, good)
    rig.world.script(*(faults.status(500, on=On(route="chat", wid=wid, times=None)) for wid in (bad, worse)))
    rig.offset += timedelta(hours=25)
    first = one_slice(rig)
    assert (first.report.full, first.report.problem) == (True, None)
    assert len(rig.world.seen(route="chat", wid=bad)) == 3
    assert len(rig.world.seen(route="chat", wid=worse)) == 0, "its hint is answered by the listing"
    assert rig.sql("select count(*) from chats where hinted_at is not null") == [(0,)]
    hinted(rig, DEVICE, bad, worse)
    rig.offset += timedelta(seconds=1)
    hinted(rig, DEVICE, good)
    assert [one_slice(rig).more for _ in range(3)] == [True, True, False]
    assert len(rig.world.seen(route="chat", wid=good)) == 1
    assert rig.sql("select breaker_failures, breaker_until, sync_failed_at from devices") == [(0, None, None)]


def test_a_hint_that_comes_while_its_chat_is_read_is_followed_again(rig):
    (wid,) = fill(rig, 1)
    whole(rig)
    hinted(rig, DEVICE, wid)

    def again():
        rig.offset += timedelta(seconds=1)
        hinted(rig, DEVICE, wid)

    rig.world.script(faults.before(again, on=On(route="chat")))
    one_slice(rig)
    assert due(rig) == [1]
    assert len(rig.world.seen(route="chat")) == 1
    one_slice(rig)
    assert len(rig.world.seen(route="chat")) == 2
    assert due(rig) == []


def test_a_listing_answers_the_hints_of_the_chats_on_it(rig):
    wids = fill(rig, 3)
    whole(rig)
    hinted(rig, DEVICE, *wids)
    whole(rig)
    assert rig.world.seen(route="chat") == []
    assert due(rig) == []


def test_a_device_hint_is_followed_by_reading_its_status_and_what_changed(rig):
    fill(rig, 3)
    whole(rig)
    rig.world.set_session(DEVICE, "timeout")
    rig.sql("update devices set hinted_at = last_sync_at")
    assert due(rig) == []
    with rig.ledger() as ledger, ledger.context.sessions.begin() as session:
        assert hints.device(session, "wassenger", DEVICE, now=rig.now())
    assert due(rig) == [1]
    assert not one_slice(rig).report.full
    assert rig.sql("select session_status from devices") == [("timeout",)]
    assert due(rig) == []
