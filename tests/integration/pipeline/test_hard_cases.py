"""Cases that a careful reader found: each once lost a job, a hold, a truth, or an end."""

from contextlib import nullcontext
from datetime import datetime, timedelta

import pytest

from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.providers.fake.records import device_record
from integration.pipeline.conftest import DEVICE

OTHER = "5f0c1d2e3a4b5c6d7e8f9a0c"
CHAT = {"method": "GET", "route": "chat"}


def test_a_chat_that_the_service_refuses_to_show_fails_alone_and_its_neighbours_go(rig):
    poison, plain = rig.chat(1), rig.chat(2)
    rig.apply()
    rig.world.script(faults.status(400, on=On(**CHAT, wid=poison, times=None)))
    assert rig.run().outcomes == {"deleted": 1, "failed": 1}
    assert rig.deleted() == [plain]
    assert rig.sql("select error_class from jobs where state = 'failed'") == [("unreadable",)]
    assert rig.sql("select breaker_failures from devices") == [(0,)]


def test_a_second_delete_that_finds_the_chat_gone_credits_the_first(rig):
    wid = rig.chat(1)
    rig.apply()
    rig.world.script(
        faults.ignored(on=On(method="DELETE", nth=1)),
        faults.before(lambda: rig.world.forget(DEVICE, wid), on=On(method="DELETE", nth=2)),
    )
    assert rig.run().outcomes == {"deleted": 1}
    assert rig.sql("select whatsapp_state, error_class from jobs") == [("reported", "still_listed")]


def test_the_services_own_code_of_a_refusal_is_kept(rig):
    wid = rig.chat(1)
    rig.world.refuse(DEVICE, wid)
    rig.apply()
    rig.run()
    assert rig.sql("select error_class, error_code from report_v1_deletions") == [
        ("refused", "error:whatsapp")
    ]


def test_reads_that_are_always_too_slow_do_not_keep_a_run_for_ever(rig, monkeypatch):
    monkeypatch.setattr("chat_hygiene.pipeline.drain.STALLED", timedelta(seconds=20))
    rig.chat(1)
    rig.apply()

    def time_passes():
        rig.offset += timedelta(seconds=6)

    rig.world.script(faults.before(time_passes, on=On(**CHAT, times=None)))
    assert rig.run().outcomes == {}
    assert rig.deleted() == []
    assert rig.states() == {"queued": 1}


def test_a_short_rate_limit_or_failure_while_syncing_is_waited_out(rig):
    rig.chat(1)
    rig.apply()
    rig.world.script(
        faults.rate_limited("1", on=On(route="chats", nth=1)), faults.status(502, on=On(route="chats", nth=2))
    )
    report = rig.run()
    assert report.synced.complete
    assert report.outcomes == {"deleted": 1}


def test_a_sync_leaves_a_paused_device_alone(rig):
    rig.chat(1)
    rig.apply()
    rig.world.script(faults.rate_limited("600", on=On(route="chats", nth=1)))
    assert not rig.sync().complete
    before = len(rig.world.seen(route="chats"))
    assert not rig.sync().complete
    assert len(rig.world.seen(route="chats")) == before


def test_a_run_of_one_policy_leaves_the_jobs_of_others_alone(rig):
    rig.chat(1)
    rig.apply(
        grace="1d",
        more="  - {name: watcher, mode: observe, schedule: '0 3 * * *', when: {inactive_for: 30d}}",
    )
    rig.run()
    rig.offset = timedelta(days=1, minutes=1)
    assert rig.run("watcher").outcomes == {}
    assert rig.deleted() == []
    assert rig.run("resolved-30d").outcomes == {"deleted": 1}


def test_a_number_that_cannot_be_used_does_not_make_a_run_incomplete(rig):
    rig.world.add_device(device_record(OTHER, alias="No plan", product="gateway"))
    rig.chat(1)
    rig.apply()
    report = rig.run()
    assert report.synced.complete
    assert report.outcomes == {"deleted": 1}


def test_an_aborted_sweep_does_not_count_towards_missing(rig):
    wid = rig.chat(1)
    rig.sync()
    rig.world.forget(DEVICE, wid)
    rig.world.script(faults.malformed(on=On(route="chats")))
    assert not rig.sync().complete
    rig.offset = timedelta(hours=1)
    rig.sync()
    assert rig.sql("select missing_since from chats") == [(None,)]
    rig.sync()
    ((since,),) = rig.sql("select missing_since from chats")
    assert since is not None


@pytest.mark.parametrize("keys", ["2:" + "q" * 32 + ",1:" + "p" * 32, "3:" + "r" * 32])
def test_a_new_pseudonym_key_neither_lifts_a_hold_nor_freezes_facts(rig, keys):
    wid = rig.chat(1)
    rig.apply()
    rig.sync()
    ((ref,),) = rig.sql("select chat_ref from chats")
    rig.sql(
        "insert into holds (scope, chat_ref, reason, held_by, placed_at)"
        " values ('chat', :ref, 'case 7', 'dpo', '2026-01-01T00:00:00.000000Z')",
        ref=ref,
    )
    rig.overrides = {"pseudonym_key": keys}
    rig.world.change_chat(DEVICE, wid, name="Renamed")
    (run,) = rig.run().evaluated
    assert run.funnel.held == 1
    assert rig.deleted() == []
    assert rig.sql("select name, count(*) over () from chats") == [("Renamed", 1)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_run_sits_out_a_call_that_may_still_be_at_work(rig, monkeypatch):
    """With SQLite, where a dead worker's leases are taken back at once; whatever `run` waits for otherwise."""
    monkeypatch.setattr("chat_hygiene.wiring.running.RUN_WAITS_FOR", timedelta(seconds=0.2))
    rig.overrides = {"read_deadline_seconds": 2, "delete_deadline_seconds": 3, "lease_seconds": 60}
    wid = rig.chat(1)
    rig.apply()

    async def dies(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("chat_hygiene.pipeline.calls.Calls.delete", dies)
        with pytest.raises(MemoryError):
            rig.run()
    assert rig.states() == {"sent": 1}
    rig.world.script(faults.status(400, on=On(**CHAT)))
    assert rig.run().outcomes == {"deleted": 1}
    assert rig.deleted() == [wid]
    first, second = (
        datetime.fromisoformat(at)
        for (at,) in rig.sql("select at from audit_events where kind = 'job.intent' order by seq")
    )
    assert second - first >= timedelta(seconds=3), "asked again while the first call could still be at work"


def test_what_another_worker_holds_is_said(rig, monkeypatch):
    monkeypatch.setattr("chat_hygiene.store.presence.working", lambda *_, **__: nullcontext())
    monkeypatch.setattr("chat_hygiene.wiring.running.RUN_WAITS_FOR", timedelta(seconds=0.2))
    rig.chat(1)
    rig.apply(grace="1d")
    rig.run()
    rig.sql(
        "update jobs set state = 'leased', lease_owner = 'elsewhere', lease_until = '2099-01-01T00:00:00.000000Z'"
    )
    assert rig.run().waiting.elsewhere == 1
