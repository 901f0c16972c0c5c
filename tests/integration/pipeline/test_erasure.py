"""A person who asks for it is erased: every chat of theirs goes through the one gate, then what is stored of it."""

from datetime import timedelta

import pytest

from chat_hygiene import wiring
from chat_hygiene.core.errors import Exit, SafetyStopError, UsageError
from chat_hygiene.pipeline import erase as request
from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.store import policies, versions
from chat_hygiene.wiring import erasing, holding
from integration.pipeline.conftest import DEVICE
from integration.pipeline.erasing import (
    KEEP,
    NUMBER,
    OTHER,
    PERSONAL,
    certificate,
    erase,
    says,
    states,
    stored,
    told,
)


def hold(rig, **what) -> None:
    with rig.ledger() as ledger:
        aim = holding.aim(ledger, on=None, **what)
        holding.place(ledger, aim, reason="case 7", until=None, progress=lambda _done, _of: None)


def intents(rig) -> int:
    return len(told(rig, "job.intent"))


def test_every_chat_of_the_person_goes_at_once_and_nothing_of_them_is_left(rig):
    rig.world.add_device(device_record(OTHER, alias="Sales"))
    # As young as a chat can be, pinned, and of no policy at all.
    wid = rig.chat(1, quiet_days=0.01, pinned=True, owner={"agent": "Grace Hopper"}, **PERSONAL)
    rig.chat(1, quiet_days=5, device=OTHER)
    kept = rig.chat(2, **PERSONAL)
    rig.sync()
    report = erase(rig)
    assert states(report) == ["deleted", "deleted"]
    assert report.code is Exit.DONE
    assert sorted(rig.deleted()) == [wid, wid]
    assert intents(rig) == 2, "each went through the gate"
    columns = "wid, name, status, agent, last_message_at, first_message_at, pinned, chat_hint"
    rows = rig.sql(f"select {columns} from chats where removed_at is not null")
    assert rows == [(*[None] * 7, "erased")] * 2
    assert {str(labels) for (labels,) in rig.sql("select labels from chats where wid is null")} == {"[]"}
    assert stored(rig).count("Ada Lovelace") == 1, "only the other person's"
    assert kept not in rig.deleted()
    assert told(rig, "erasure.requested") == [{"because": "asked by mail", "ticket": "DPO-1"}] * 2
    assert told(rig, "erasure.done") == [{"id_kept": False}] * 2
    assert rig.verified()


def test_a_hold_stops_it_is_named_and_nothing_is_stored(rig):
    rig.chat(1, labels=["legal"])
    rig.sync()
    for number, what in enumerate(({"chat": NUMBER}, {"label": "legal"}, {"device": "Support"}), start=1):
        hold(rig, **what)
        with pytest.raises(SafetyStopError, match=f"under hold {number},") as caught:
            erase(rig)
        assert f"hold release {number}" in caught.value.fix
        with rig.ledger() as ledger:
            holding.release(ledger, [number], reason="settled")
    assert rig.deleted() == []
    assert rig.states() == {}
    assert rig.sql("select * from policy_runs") == []


def test_a_hold_placed_after_the_looking_stops_it_too(rig):
    rig.chat(1)
    rig.sync()
    with rig.ledger() as ledger:
        refs = [row["chat_ref"] for row in erasing.find(ledger, NUMBER, on=None)]
    hold(rig, chat=NUMBER)
    with rig.ledger() as ledger, pytest.raises(SafetyStopError, match="under hold 1,"):
        request.run(ledger.context, refs, because="asked by mail", ticket="DPO-1", now=rig.now())
    assert told(rig, "erasure.requested") == []
    assert rig.states() == {}


def test_a_keep_policy_stops_it_and_is_named(rig):
    rig.apply(more=KEEP)
    rig.chat(1, labels=["contract"])
    rig.sync()
    with pytest.raises(SafetyStopError, match="keep-contracts"):
        erase(rig)
    assert rig.deleted() == []
    assert told(rig, "erasure.requested") == []


def test_what_whatsapp_refuses_goes_from_here_and_is_owed_until_it_is_proven(rig):
    rig.world.removed_chats = "listed"
    wid = rig.chat(1, **PERSONAL)
    rig.world.refuse(DEVICE, wid)
    rig.sync()
    report = erase(rig)
    assert states(report) == ["removed_locally"]
    assert "Ada" not in stored(rig)
    assert rig.sql("select wid from chats") == [(wid,)], "without its id nobody could look for it"
    owed = says(certificate(rig))
    assert "still in WhatsApp" in owed["whatsapp"]["words"]
    assert "id is kept" in owed["tables"]["words"]
    assert wid[:12] not in str(owed)
    rig.world.change_chat(DEVICE, wid, waStatus="removed")
    rig.sql("update jobs set debt_next_probe_at = debt_opened_at")
    with rig.ledger() as ledger:
        assert wiring.look_at_debts(ledger).settled == 1
    assert rig.sql("select wid from chats") == [(None,)]
    settled = says(certificate(rig))
    assert (settled["outcome"]["state"], settled["debt"]["state"]) == ("removed_locally", "settled")
    assert "id is kept" not in settled["tables"]["words"]


def test_erased_twice_nothing_happens_the_second_time(rig):
    rig.chat(1)
    rig.sync()
    erase(rig)
    before = rig.sql("select max(seq) from audit_events")
    again = erase(rig)
    assert (states(again), again.code) == (["deleted"], Exit.DONE)
    assert [(each.again, each.before) for each in again.request.chats] == [(True, True)]
    assert rig.sql("select max(seq) from audit_events") == before
    assert len(rig.deleted()) == 1


def test_a_chat_that_a_policy_deleted_is_emptied_and_certified_without_a_call(rig):
    rig.apply()
    rig.chat(1, labels=["case of Ada"])
    rig.run()
    assert "case of Ada" in stored(rig)
    report = erase(rig)
    assert [each.before for each in report.request.chats] == [True]
    assert len(rig.deleted()) == 1
    assert "case of Ada" not in stored(rig)
    certified = says(certificate(rig))
    assert (certified["rule"]["policy"], certified["rule"]["ticket"]) == ("resolved-30d", "DPO-1")
    assert certified["tables"]["state"] == "emptied"
    ((reason,),) = rig.sql("select reason from policy_runs order by id desc limit 1")
    assert reason == "removed before"


def test_what_a_policy_queued_is_taken_over(rig):
    rig.apply(grace="7d")
    rig.chat(1)
    rig.run()
    assert rig.states() == {"queued": 1}
    assert states(erase(rig)) == ["deleted"]
    assert rig.states() == {"cancelled": 1, "deleted": 1}
    assert told(rig, "job.cancelled") == [{"clause": "erasure"}]


def test_a_person_who_writes_again_is_a_new_conversation(rig):
    wid = rig.chat(1, **PERSONAL)
    rig.sync()
    erase(rig)
    rig.chat(1, quiet_days=0, name="Ada Lovelace", lastMessageAt=None)
    rig.world.message_arrives(DEVICE, wid, rig.now())
    rig.offset += timedelta(minutes=1)
    rig.sync()
    ((generation, name, hint, removed),) = rig.sql(
        "select generation, name, chat_hint, removed_at from chats"
    )
    assert (generation, name, hint, removed) == (2, "Ada Lovelace", "+44 ··· 01", None)
    assert says(certificate(rig))["tables"]["state"] == "back"
    assert states(erase(rig)) == ["deleted"]
    assert len(rig.deleted()) == 2


def test_one_number_of_the_account_can_be_asked_for_alone(rig):
    rig.world.add_device(device_record(OTHER, alias="Sales"))
    rig.chat(1)
    rig.chat(1, device=OTHER)
    rig.sync()
    ((ref,),) = rig.sql(
        "select chat_ref from chats c join devices d on d.id = c.device_id where d.alias = 'Sales'"
    )
    with rig.ledger() as ledger:
        assert len(erasing.find(ledger, ref)) == 2, "a pseudonym leads to the person's other chats"
    assert states(erase(rig, ref, on="Sales")) == ["deleted"]
    assert [seen.call.device for seen in rig.world.seen(method="DELETE")] == [OTHER]


def test_what_nobody_knows_is_told_and_nothing_is_stored(rig):
    rig.chat(2)
    rig.sync()
    before = rig.sql("select max(seq) from audit_events")
    with pytest.raises(UsageError, match="no such chat"):
        erase(rig)
    assert rig.sql("select max(seq) from audit_events") == before
    assert rig.sql("select * from policies") == []


def test_a_reason_with_a_number_is_refused_and_nothing_is_stored(rig):
    rig.chat(1)
    rig.sync()
    for reason in ("call +44 7700 900001", ""):
        with pytest.raises(UsageError):
            erase(rig, reason=reason)
    assert rig.sql("select * from policy_runs") == []


@pytest.mark.parametrize(
    "ticket", ["447700900001", "T447700900001", "DPO-447700900001", "+44 7700 900001", "Ada Lovelace", ""]
)
def test_a_ticket_that_could_be_a_number_or_a_name_is_refused(ticket):
    with pytest.raises(UsageError):
        erasing.check_ticket(ticket)


@pytest.mark.parametrize("ticket", ["INC0012345", "DPO-2041", "2026/17", "#99"])
def test_what_people_call_tickets_is_one(ticket):
    erasing.check_ticket(ticket)


def test_erasures_are_no_policy_that_anybody_can_list_change_or_run(rig):
    rig.chat(1)
    rig.sync()
    erase(rig)
    with rig.ledger() as ledger:
        assert wiring.to_run(ledger, ()) == []
        with ledger.reading() as session:
            assert policies.load(session) == policies.enforcing(session) == []
            assert versions.basis(session) == frozenset()
            assert versions.look(session, [policies.ON_REQUEST.name]) == {}
    rows = rig.sql("select policy, mode, state, overdue from report_v1_policies")
    assert rows == [("on request", "enforce", "active", 0)]
    rows = rig.sql("select policy, outcome, reason from report_v1_deletions")
    assert rows == [("on request", "deleted", "asked for by name")]
    assert "asked by mail" not in repr(rig.sql("select * from report_v1_audit"))
