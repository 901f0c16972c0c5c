"""Sync: what a listing stores, what it never clears, and when a chat counts as missing."""

from datetime import datetime

import pytest

from chat_hygiene.pipeline.sweep import OVERLAP
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.providers.fake.records import chat_record
from integration.pipeline.conftest import DEVICE
from integration.pipeline.syncing import capped, pages, stuck, whole


def test_a_chat_is_missing_only_after_two_complete_sweeps_and_never_matches_then(rig):
    wid = rig.chat(1)
    rig.apply(mode="observe")
    rig.sync()
    rig.world.script(faults.before(lambda: None, on=On()))
    record = rig.world.find(DEVICE, wid).record
    rig.world.forget(DEVICE, wid)
    rig.sync()
    assert rig.sql("select missing_since from chats") == [(None,)]
    rig.sync()
    ((since,),) = rig.sql("select missing_since from chats")
    assert since is not None
    assert rig.run("resolved-30d").evaluated[0].funnel.matched == 0
    rig.world.add_chat(DEVICE, record)
    rig.sync()
    assert rig.sql("select missing_since, generation from chats") == [(None, 1)]


def test_a_bad_page_aborts_the_sync_marks_nothing_missing_and_the_next_one_resumes(rig):
    rig.overrides = {"page_size": 2}
    for number in range(6):
        rig.chat(number, quiet_days=60 + number)
    rig.sync()
    rig.world.script(faults.malformed(on=On(route="chats", nth=3)))
    assert not rig.sync().complete
    assert rig.sql("select count(*) from chats where missing_since is not null") == [(0,)]
    before = len(rig.world.seen(route="chats"))
    assert rig.sync().complete
    pages = [seen.call.query["page"] for seen in rig.world.seen(route="chats")[before:]]
    assert pages == ["1", "2", "3"], "it goes on one page before the bad one"


def test_an_incremental_sync_stops_at_what_it_knows(rig):
    rig.overrides = {"page_size": 2}
    for number in range(8):
        rig.chat(number, quiet_days=60 + number)
    rig.sync()
    rig.world.message_arrives(DEVICE, rig.chat(8))
    before = len(rig.world.seen(route="chats"))
    (device,) = rig.sync(full=False).devices
    assert (device.full, device.new) == (False, 1)
    assert len(rig.world.seen(route="chats")) - before == 2


def test_an_absent_label_or_flag_does_not_clear_a_stored_one_and_other_absent_facts_become_unknown(rig):
    wid = rig.chat(1, labels=["vip"], meta={"isPinned": True, "isUnread": True})
    rig.apply(mode="observe")
    rig.sync()
    rig.world.forget(DEVICE, wid)
    rig.world.add_chat(DEVICE, {"id": wid, "type": "chat"})
    rig.sync()
    ((labels, pinned, unread, status),) = rig.sql("select labels, pinned, unread, status from chats")
    assert "vip" in str(labels)
    assert (bool(pinned), bool(unread), status) == (True, True, None)


def test_a_chat_with_nothing_but_its_id_matches_nothing(rig):
    rig.world.add_chat(DEVICE, {"id": "447700900001@c.us"})
    rig.apply(when="{not: {resolved_for: 30d}}")
    (run,) = rig.run().evaluated
    assert (run.funnel.seen, run.funnel.matched, run.queued) == (1, 0, 0)
    assert rig.deleted() == []


def test_odd_text_from_the_service_is_stored_and_breaks_nothing(rig):
    rig.chat(1, name="nul \x00 and \ud800 lone", labels=["a\x00b", {"name": "vip"}])
    rig.apply(unless="unless: {labels: [vip]}")
    (run,) = rig.run().evaluated
    assert run.funnel.matched == 0
    assert rig.deleted() == []


def test_paging_that_shifts_while_it_is_read_loses_no_quiet_chat(rig):
    rig.overrides = {"page_size": 3}
    quiet = {rig.chat(number, quiet_days=60 + number) for number in range(9)}
    rig.apply()
    busy = rig.chat(50, quiet_days=300)
    rig.world.script(
        faults.before(lambda: rig.world.message_arrives(DEVICE, busy), on=On(route="chats", nth=2)),
        faults.before(
            lambda: rig.world.add_chat(DEVICE, chat_record("447700909999@c.us", last_message_at=rig.now())),
            on=On(route="chats", nth=3),
        ),
    )
    rig.run()
    assert set(rig.deleted()) == quiet


def test_a_service_that_caps_the_page_size_is_read_to_the_end(rig):
    wids = {rig.chat(number, quiet_days=60 + number) for number in range(7)}
    for _ in range(2):
        assert whole(rig, odd=capped(3)).complete
    assert {wid for (wid,) in rig.sql("select wid from chats")} == wids
    assert pages(rig) == [0, 1, 2] * 2
    assert rig.sql("select count(*) from chats where missing_since is not null") == [(0,)]


def test_a_listing_that_repeats_a_page_for_ever_ends_and_is_not_complete(rig):
    rig.overrides = {"page_size": 3}
    for number in range(7):
        rig.chat(number, quiet_days=60 + number)
    assert whole(rig).complete
    ((last,),) = rig.sql("select last_full_sync_at from devices")
    before = len(rig.world.seen())
    for full in (True, False, True):
        report = whole(rig, full=full, odd=stuck)
        assert report.complete is not full, "what is new stands on the first page"
    assert len(pages(rig, before)) <= 2 * 4 + 2
    assert rig.sql("select last_full_sync_at, sweep_page is not null from devices")[0][0] == last
    assert rig.sql("select count(*) from chats where missing_since is not null") == [(0,)]


@pytest.mark.parametrize("code", [400, 404])
def test_a_service_without_a_page_after_a_short_one_has_shown_all(rig, code):
    wid = rig.chat(1)
    rig.world.script(faults.status(code, on=On(route="chats", nth=2)))
    assert rig.sync().complete
    assert rig.sql("select wid from chats") == [(wid,)]
    assert rig.sql("select blocked_reason, breaker_failures, sync_failed_at from devices") == [
        (None, 0, None)
    ]


def test_an_empty_listing_is_complete(rig):
    assert rig.sync().complete
    assert len(rig.world.seen(route="chats")) == 1
    assert rig.sql("select last_full_sync_at is not null, sweep_page from devices")[0][0]


def test_an_incremental_sync_walks_past_chats_without_a_date_and_dates_in_the_future(rig):
    rig.overrides = {"page_size": 2}
    for number in range(6):
        rig.chat(number, quiet_days=60 + number)
    rig.sync()
    ahead = [rig.chat(10 + number, quiet_days=-400) for number in range(2)]
    late = rig.chat(20, quiet_days=0)
    before = len(rig.world.seen())
    rig.sync(full=False)
    assert pages(rig, before) == [0, 1, 2]
    for wid in ahead:
        rig.world.forget(DEVICE, wid)
        # The first of all in this listing, and they do not say when they were written in.
        rig.world.add_chat(DEVICE, {"id": wid, "lastMessageAt": "~"})
    newest = rig.chat(21, quiet_days=0)
    before = len(rig.world.seen())
    rig.sync(full=False)
    assert pages(rig, before) == [0, 1, 2]
    assert {(late,), (newest,)} <= set(rig.sql("select wid from chats"))


def test_an_incremental_sync_reads_on_from_a_page_that_ends_at_its_watermark(rig):
    rig.overrides = {"page_size": 2}
    rig.sync()
    ((last,),) = rig.sql("select last_sync_at from devices")
    last = datetime.fromisoformat(last) if isinstance(last, str) else last
    edge = (rig.now() - last + OVERLAP).total_seconds() / 86400
    wids = [rig.chat(number, quiet_days=edge - 0.001) for number in range(2)]
    wids.append(rig.chat(9, quiet_days=edge + 0.001))
    assert rig.sync(full=False).complete
    assert {wid for (wid,) in rig.sql("select wid from chats")} == set(wids)
    assert rig.sync(full=False).complete


def test_the_failure_of_a_sync_stands_until_a_good_one(rig):
    rig.world.script(faults.malformed(on=On(route="chats")))
    assert not rig.sync().complete
    assert rig.sql("select sync_failed_at is not null from devices")[0][0]
    assert rig.sync().complete
    assert rig.sql("select sync_failed_at from devices") == [(None,)]
