"""What comes between a request and its end: keepers, stops, numbers that are away or gone, kills. A worker finishes it, once."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from chat_hygiene.core.errors import Exit, SafetyStopError
from chat_hygiene.pipeline import departed
from chat_hygiene.providers.fake.faults import Fault, On, status
from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.settings import JOB_DEADLINE
from chat_hygiene.store import holds
from chat_hygiene.wiring import erasing, holding, stopping
from integration.pipeline.conftest import DEVICE, drained
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
from integration.pipeline.syncing import listed


def stop(rig) -> None:
    with rig.ledger() as ledger:
        stopping.stop(ledger, reason="a check")


def start(rig) -> None:
    with rig.ledger() as ledger:
        stopping.start(ledger, reason=None)


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


def test_what_is_being_deleted_right_now_is_left_to_that(rig):
    rig.apply(grace="7d")
    rig.chat(1)
    rig.run()
    rig.sql("update jobs set state = 'sent', lease_owner = 'other', lease_until = :at", at=_text(rig))
    with pytest.raises(SafetyStopError, match="job 1 of resolved-30d is deleting it just now"):
        erase(rig)
    assert told(rig, "erasure.requested") == []


def _text(rig) -> str:
    return (rig.now() + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
