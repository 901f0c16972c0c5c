"""A person who asks for it is erased: every chat of theirs goes through the one gate, then what is stored of it."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from chat_hygiene import wiring
from chat_hygiene.core.errors import Exit, SafetyStopError, UsageError
from chat_hygiene.pipeline import departed
from chat_hygiene.providers.fake.faults import Fault, On, status
from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.settings import JOB_DEADLINE
from chat_hygiene.store import holds, policies, versions
from chat_hygiene.wiring import erasing, holding, stopping
from integration.pipeline.conftest import DEVICE, drained
from integration.pipeline.erasing import NUMBER, certificate, erase, says, states, stored, told
from integration.pipeline.syncing import listed

OTHER = "5f0c1d2e3a4b5c6d7e8f9a0c"
KEEP = "  - {name: keep-contracts, action: keep, when: {labels: [contract]}}\n"
PERSONAL = {"name": "Ada Lovelace", "labels": ["case of Ada"], "status": "active"}


def hold(rig, **what) -> None:
    with rig.ledger() as ledger:
        aim = holding.aim(ledger, on=None, **what)
        holding.place(ledger, aim, reason="case 7", until=None, progress=lambda _done, _of: None)


def stop(rig) -> None:
    with rig.ledger() as ledger:
        stopping.stop(ledger, reason="a check")


def start(rig) -> None:
    with rig.ledger() as ledger:
        stopping.start(ledger, reason=None)


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


def test_a_keep_policy_stops_it_and_is_named(rig):
    rig.apply(more=KEEP)
    rig.chat(1, labels=["contract"])
    rig.sync()
    with pytest.raises(SafetyStopError, match="keep-contracts"):
        erase(rig)
    assert rig.deleted() == []
    assert told(rig, "erasure.requested") == []


@pytest.mark.parametrize("clause", ["hold", "keep.keep-contracts"])
def test_what_comes_to_keep_it_after_the_request_stops_it_at_the_gate(rig, clause):
    rig.apply(more=KEEP)
    wid = rig.chat(1)
    rig.sync()
    if clause == "hold":
        stop(rig)
        erase(rig)
        # As if whoever placed it was killed before the queue was cleaned up: only the gate is left.
        with rig.ledger() as ledger, ledger.context.sessions.begin() as session:
            (target,) = holding.aim(ledger, chat=NUMBER, on=None).targets
            holds.place(session, target, reason="case 7", until=None, now=ledger.now(), actor="tester")
        start(rig)
    else:
        # The fresh read shows what no sync has seen.
        rig.world.change_chat(DEVICE, wid, labels=["contract"])
        report = erase(rig)
        assert report.code is Exit.SAFETY_STOP
        assert [each.clause for each in report.jobs] == [clause]
    drained(rig)
    assert rig.deleted() == []
    assert rig.states() == {"cancelled": 1}
    assert told(rig, "job.cancelled") == [{"clause": clause}]
    assert told(rig, "erasure.done") == []


OBSTACLES = {
    "the stop switch": (stop, start, Exit.SAFETY_STOP),
    "READ_ONLY": (
        lambda rig: rig.overrides.update(read_only=True),
        lambda rig: rig.overrides.pop("read_only"),
        Exit.SAFETY_STOP,
    ),
    "an offline number": (
        lambda rig: rig.world.set_session(DEVICE, "offline"),
        lambda rig: (rig.world.set_session(DEVICE, "online"), listed(rig)),
        Exit.UNREACHABLE,
    ),
    "an account that does not answer": (
        lambda rig: rig.world.script(status(503)),
        lambda rig: rig.world.clear_script(),
        Exit.UNREACHABLE,
    ),
    "a blocked number": (
        lambda rig: rig.sql("update devices set blocked_reason = 'the plan does not allow it'"),
        lambda rig: rig.sql("update devices set blocked_reason = null"),
        Exit.UNREACHABLE,
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_is_in_the_way_leaves_the_request_standing_and_a_worker_finishes_it(rig, obstacle):
    arise, pass_, code = OBSTACLES[obstacle]
    rig.chat(1, **PERSONAL)
    rig.sync()
    arise(rig)
    report = erase(rig)
    assert (states(report), report.code) == (["queued"], code)
    assert rig.deleted() == []
    with rig.ledger() as ledger:
        ((row, standing),) = erasing.listed(ledger, limit=None)
        assert (row["notes"], standing.waits) == (["ticket DPO-1"], True)
    # Asked again it is the same request.
    again = erase(rig)
    assert [each.again for each in again.request.chats] == [True]
    assert again.request.run_id is None
    pass_(rig)
    drained(rig)
    assert rig.states() == {"deleted": 1}
    assert len(told(rig, "erasure.requested")) == len(told(rig, "erasure.done")) == 1
    assert "Ada" not in stored(rig)
    assert says(certificate(rig))["tables"]["state"] == "emptied"


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


def test_of_a_number_that_left_the_account_what_is_here_goes_and_the_platform_is_said_not_to_know(rig):
    rig.world.add_device(device_record(OTHER, alias="Sales"))
    rig.chat(1, **PERSONAL)
    rig.sync()
    rig.world.set_session(DEVICE, "offline")
    assert states(erase(rig)) == ["queued"]
    rig.world.devices.pop(DEVICE)
    listed(rig)
    rig.offset += JOB_DEADLINE + timedelta(hours=1)
    listed(rig)
    with rig.ledger() as ledger:
        assert departed.run(ledger.context, now=ledger.now()) == 1
    assert "Ada" not in stored(rig)
    found = says(certificate(rig))
    assert (found["outcome"]["state"], found["platform"]["state"]) == ("removed_locally", "unreachable")
    assert "still in WhatsApp" in found["whatsapp"]["words"]


def test_killed_between_its_call_and_its_outcome_it_is_finished_by_a_worker_once(rig):
    rig.chat(1, **PERSONAL)
    rig.sync()
    settings = rig.settings()
    env = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_HYGIENE_")} | {
        f"CHAT_HYGIENE_{name}": value
        for name, value in {
            "DATABASE_URL": rig.database_url,
            "API_URL": settings.api_url,
            "API_TOKEN": rig.world.token,
            "AUDIT_KEY": "a" * 32,
            "PSEUDONYM_KEY": "p" * 32,
        }.items()
    }
    command = Path(sys.executable).with_name("chat-hygiene")
    words = [command, "erase", NUMBER, "--reason", "asked by mail", "--ticket", "DPO-1", "--yes"]
    process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rig.world.script(Fault(on=On(method="DELETE"), happens=process.kill))
    assert process.wait(timeout=120) == -9
    assert rig.states() == {"sent": 1}
    assert told(rig, "erasure.done") == []
    rig.offset += timedelta(minutes=5)
    drained(rig)
    assert rig.states() == {"deleted": 1}
    assert len(rig.deleted()) == 1
    assert len(told(rig, "erasure.done")) == 1
    assert "Ada" not in stored(rig)
    assert rig.verified()


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


def test_what_is_being_deleted_right_now_is_left_to_that(rig):
    rig.apply(grace="7d")
    rig.chat(1)
    rig.run()
    rig.sql("update jobs set state = 'sent', lease_owner = 'other', lease_until = :at", at=_text(rig))
    with pytest.raises(SafetyStopError, match="job 1 of resolved-30d is deleting it just now"):
        erase(rig)
    assert told(rig, "erasure.requested") == []


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


def _text(rig) -> str:
    return (rig.now() + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
