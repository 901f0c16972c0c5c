"""Whole runs: what is queued, what is held back, and what stops by itself."""

import json
import re
import threading
from datetime import timedelta

import pytest

from chat_hygiene.core.errors import ProviderError
from chat_hygiene.pipeline import outlook
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.wiring import stopping
from integration.pipeline.conftest import DEVICE

OTHER = "5f0c1d2e3a4b5c6d7e8f9a0c"


def hold(rig, **fields):
    columns = {"scope": "chat", "device_id": None, "chat_ref": None, "label": None, **fields}
    rig.sql(
        "insert into holds (scope, device_id, chat_ref, label, reason, held_by, placed_at)"
        " values (:scope, :device_id, :chat_ref, :label, 'case 7', 'dpo', '2026-01-01T00:00:00.000000Z')",
        **columns,
    )


def test_an_observing_policy_counts_and_queues_nothing(rig):
    rig.chat(1)
    rig.apply(mode="observe")
    report = rig.run("resolved-30d")
    (run,) = report.evaluated
    assert (run.reason, run.funnel.matched, run.queued) == ("observe", 1, 0)
    assert rig.states() == {}
    assert rig.deleted() == []


def test_grace_keeps_a_match_listed_until_it_is_over(rig):
    wid = rig.chat(1)
    rig.apply(grace="7d")
    assert rig.run().outcomes == {}
    assert rig.run().evaluated[0].reason == "already queued"
    rig.offset = timedelta(days=7, minutes=1)
    assert rig.run().outcomes == {"deleted": 1}
    assert rig.deleted() == [wid]


def test_a_new_message_within_the_grace_takes_a_chat_off_the_list(rig):
    wid = rig.chat(1)
    rig.apply(grace="7d")
    rig.run()
    rig.world.message_arrives(DEVICE, wid)
    assert rig.run().evaluated[0].reason == "nothing matched"
    assert rig.states() == {"cancelled": 1}


@pytest.mark.parametrize("scope", ["chat", "label", "device"])
def test_a_hold_beats_the_policy_at_evaluation_and_at_the_gate(rig, scope):
    rig.chat(1, labels=["case-7"])
    rig.apply(grace="1d")
    rig.run()
    ((ref, device),) = rig.sql("select chat_ref, device_id from chats")
    fields = {"chat": {"chat_ref": ref}, "label": {"label": "case-7"}, "device": {"device_id": device}}[scope]
    hold(rig, scope=scope, **fields)
    rig.offset = timedelta(days=1, minutes=1)
    rig.apply(mode="enforce", grace="1d", when="{resolved_for: 31d}")
    rig.sql("update policies set state = 'paused'")  # nothing is evaluated: only the gate stands in the way
    rig.sql("update policies set state = 'active'")
    report = rig.run()
    assert rig.deleted() == []
    assert rig.states() == {"cancelled": 1}
    assert report.evaluated[0].funnel.held == 1


def test_a_hold_placed_after_the_evaluation_stops_the_call_at_the_gate(rig):
    wid = rig.chat(1)
    rig.apply()

    def place():
        ((ref,),) = rig.sql("select chat_ref from chats")
        hold(rig, chat_ref=ref)

    rig.world.script(faults.before(place, on=On(method="GET", route="chat", wid=wid)))
    assert rig.run().outcomes == {"cancelled": 1}
    assert rig.deleted() == []
    ((detail,),) = rig.sql("select detail from audit_events where kind = 'job.cancelled'")
    assert json.loads(detail) == {"clause": "hold"}


def test_a_keep_policy_stored_after_the_evaluation_stops_the_call_at_the_gate(rig):
    wid = rig.chat(1, labels=["contract"])
    rig.apply()
    keep = "  - {name: keep-contracts, action: keep, when: {labels: [contract]}}"
    rig.world.script(faults.before(lambda: rig.apply(more=keep), on=On(method="GET", route="chat", wid=wid)))
    assert rig.run().outcomes == {"cancelled": 1}
    assert rig.deleted() == []


def test_the_stop_switch_stops_evaluation_and_gate(rig):
    for number in range(3):
        rig.chat(number)
    rig.apply()

    def stop():
        with rig.ledger() as ledger:
            stopping.stop(ledger, reason="check")

    rig.world.script(faults.before(stop, on=On(method="GET", route="chat")))
    report = rig.run()
    assert rig.deleted() == []
    assert re.fullmatch(r"stopped by tester since 2.* UTC: check", report.drained.stopped)
    assert rig.run().evaluated[0].reason == "stopped"


@pytest.mark.parametrize("limits", ["{max_chats: 2, max_share: 100%}", "{max_chats: 100, max_share: 20%}"])
def test_a_tripped_brake_queues_nothing_and_awaits_approval_of_exactly_its_candidates(rig, limits):
    for number in range(10):
        rig.chat(number, quiet_days=60 if number < 3 else 8)
    rig.apply(limits=limits)
    (run,) = rig.run().evaluated
    assert (run.state, run.reason, run.queued) == ("awaiting_approval", "brake", 0)
    assert rig.states() == {}
    assert rig.deleted() == []
    assert rig.sql("select count(*) from run_candidates") == [(3,)]
    ((digest,),) = rig.sql("select digest from policy_runs")
    assert len(digest) == 64
    rig.run()
    assert rig.sql("select state from policy_runs order by id") == [("superseded",), ("awaiting_approval",)]
    assert rig.sql("select run_id, count(*) from run_candidates group by run_id") == [(2, 3)], (
        "of the newest only"
    )
    assert rig.sql("select digest from policy_runs where id = 1") == [(digest,)]


def test_the_brake_counts_what_was_queued_earlier_the_same_day(rig):
    rig.chat(1)
    rig.apply(limits="{max_chats: 1, max_share: 100%}")
    assert rig.run().outcomes == {"deleted": 1}
    rig.chat(2)
    assert rig.run().evaluated[0].state == "awaiting_approval"
    rig.offset = timedelta(days=1)
    assert rig.run().evaluated[0].queued == 1


def test_one_match_in_five_passes_a_share_of_ten_per_cent_and_zero_means_none(rig):
    for number in range(5):
        rig.chat(number, quiet_days=60 if number == 0 else 8)
    rig.apply(limits="{max_chats: 10, max_share: 10%}")
    assert rig.run().outcomes == {"deleted": 1}
    rig.chat(9)
    rig.apply(limits="{max_chats: 0, max_share: 100%}")
    assert rig.run().evaluated[0].state == "awaiting_approval"


def test_a_device_with_stale_data_is_deferred_and_the_run_says_so(rig):
    rig.chat(1)
    rig.apply()
    rig.sync()
    rig.offset = timedelta(hours=7)
    rig.world.script(faults.status(500, on=On(route="chats", times=None)))
    report = rig.run()
    assert not report.synced.complete
    assert (report.evaluated[0].reason, report.evaluated[0].deferred) == ("stale data", 1)
    assert rig.deleted() == []


def test_a_device_whose_session_is_offline_goes_stale(rig):
    rig.chat(1)
    rig.apply()
    rig.sync()
    rig.world.set_session(DEVICE, "offline")
    rig.offset = timedelta(hours=7)
    report = rig.run()
    assert report.evaluated[0].reason == "stale data"


def test_two_devices_are_worked_and_one_without_a_plan_is_said(rig):
    rig.world.add_device(device_record(OTHER, alias="No plan", product="gateway"))
    rig.chat(1)
    rig.apply()
    report = rig.run()
    assert report.outcomes == {"deleted": 1}
    problems = {device.alias: device.problem for device in report.synced.devices}
    assert problems["Support"] is None
    assert "Platform plan" in problems["No plan"]


def test_a_policy_for_an_unknown_device_fails_its_run_and_deletes_nothing(rig):
    rig.chat(1)
    rig.apply(more="  - {name: keep-x, action: keep, devices: [Gone], when: {labels: [x]}}")
    (run,) = rig.run().evaluated
    assert (run.state, run.reason) == ("failed", "unknown device")
    assert rig.deleted() == []


def test_a_revoked_token_raises_before_anything_is_evaluated(rig):
    rig.chat(1)
    rig.apply()
    rig.world.revoke_token()
    with pytest.raises(ProviderError):
        rig.run()
    assert rig.states() == {}


def test_read_only_evaluates_and_sends_nothing(rig):
    rig.chat(1)
    rig.apply()
    rig.overrides = {"read_only": True}
    report = rig.run()
    assert report.evaluated[0].queued == 1
    assert "READ_ONLY" in report.drained.stopped
    assert rig.deleted() == []


def test_a_job_that_ends_while_the_loop_looks_around_is_not_slept_through(rig, monkeypatch):
    inner = outlook.look

    def slow(*args, **more):
        # The first job has ended and woken the loop; the second one ends while the loop looks around.
        if "deleted" in rig.states():
            while rig.states() != {"deleted": 2}:
                threading.Event().wait(0.01)
            threading.Event().wait(0.1)
        return inner(*args, **more)

    monkeypatch.setattr(outlook, "look", slow)
    rig.chat(1)
    later = rig.chat(2)
    rig.world.script(faults.delay(0.5, on=On(method="DELETE", wid=later)))
    rig.apply()
    worker = threading.Thread(target=rig.run, daemon=True)
    worker.start()
    worker.join(30)
    assert not worker.is_alive(), "the drain sleeps with nothing left to wake it"
    assert rig.states() == {"deleted": 2}
