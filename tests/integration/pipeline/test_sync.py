"""Sync: what a listing stores, what it never clears, and when a chat counts as missing."""

from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.providers.fake.records import chat_record
from integration.pipeline.conftest import DEVICE


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
