"""A paused policy sends nothing, loses nothing, and goes on where it stood."""

from datetime import timedelta

from chat_hygiene import wiring
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from integration.pipeline.conftest import DEVICE, drained


def turn(rig, verb):
    with rig.ledger() as ledger:
        getattr(wiring, verb)(ledger, ["resolved-30d"], because="looking into it", now=rig.now())


def queued(rig):
    """Two chats, due now."""
    for number in (1, 2):
        rig.chat(number)
    rig.apply()
    rig.overrides = {"read_only": True}
    rig.run()
    rig.overrides = {}
    assert rig.states() == {"queued": 2}


def test_no_delete_goes_out_while_it_is_paused_and_all_of_them_go_when_it_is_resumed(rig):
    queued(rig)
    turn(rig, "pause")
    drained(rig)
    report = rig.run()
    assert rig.deleted() == []
    assert rig.states() == {"queued": 2}
    assert (report.waiting.frozen, report.waiting.stuck, report.evaluated) == (2, 0, ())
    turn(rig, "resume")
    drained(rig)
    assert rig.states() == {"deleted": 2}
    assert rig.verified()


def test_a_pause_during_a_call_stops_the_next_one_and_the_outcome_of_the_first_is_still_read(rig):
    wid = rig.chat(1)
    rig.apply()
    first = On(method="DELETE", nth=1)
    rig.world.script(faults.ignored(on=first), faults.before(lambda: turn(rig, "pause"), on=first))
    rig.run()
    assert rig.sql("select state, intent from jobs") == [("queued", "whatsapp")]
    assert len(rig.deleted()) == 1, "the call had no effect yet, and no second one was made"
    rig.world.forget(DEVICE, wid)
    rig.offset += timedelta(hours=2)
    drained(rig)
    assert rig.states() == {"deleted": 1}
    assert len(rig.deleted()) == 1
