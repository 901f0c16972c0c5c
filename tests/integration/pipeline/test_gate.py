"""The gate and the fence: what stands between a claimed job and the one call that cannot be undone."""

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from chat_hygiene import wiring
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import drain, gate, reconcile
from chat_hygiene.providers import registry
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.store import moves
from chat_hygiene.store.tables import chats, holds
from integration.pipeline.conftest import DEVICE, drained
from integration.pipeline.syncing import queue, whole
from support.gates import claim, judged, matching


def test_a_chat_that_still_matches_passes(claimed):
    context, job, wid = claimed
    now = context.clock()
    assert judged(context, job, matching(context, wid), read_at=now, now=now) == gate.Pass("whatsapp")


def test_a_worker_that_lost_its_lease_may_not_pass_nor_write(claimed):
    context, job, wid = claimed
    now = context.clock()
    reconcile.run(context, now=now + context.settings.lease_seconds * 2)
    with context.sessions.begin() as session:
        assert not moves.move(
            session, job.id, JobEvent.CONFIRM_DELETED, now=now, actor="late", fence=job.fence
        )
    newer = claim(context)
    assert newer.fence == job.fence + 1
    assert judged(context, job, matching(context, wid), read_at=now, now=now) == gate.Refusal(None)
    with context.sessions.begin() as session:
        assert not moves.move(
            session, job.id, JobEvent.CONFIRM_DELETED, now=now, actor="late", fence=job.fence
        )
    assert judged(context, newer, matching(context, wid), read_at=now, now=now) == gate.Pass("whatsapp")


def test_an_old_read_does_not_pass(claimed):
    context, job, wid = claimed
    now = context.clock()
    late = judged(context, job, matching(context, wid), read_at=now - timedelta(seconds=5.1), now=now)
    assert late == gate.Refusal("read too old", waits=True)


def test_a_read_that_grew_old_before_the_call_is_read_again(rig):
    wid = rig.chat(1)
    rig.apply()

    def time_passes():
        rig.offset += timedelta(seconds=6)

    rig.world.script(faults.before(time_passes, on=On(method="GET", route="chat", wid=wid)))
    assert rig.run().outcomes == {"deleted": 1}
    calls = [seen.call.method for seen in rig.world.seen(wid=wid)]
    assert calls == ["GET", "GET", "DELETE", "GET"]


def test_a_read_is_not_stored_over_a_newer_one_nor_deleted_by(rig, monkeypatch):
    wid = rig.chat(1)
    rig.apply()
    whole(rig)
    queue(rig)
    passes = gate.run

    def overtaken(*args, **kwargs):
        """Between the read and the gate a sync stores a later answer, which shows a new message."""
        with monkeypatch.context() as once:
            once.setattr(gate, "run", passes)
            rig.world.message_arrives(DEVICE, wid)
            whole(rig)
        return passes(*args, **kwargs)

    monkeypatch.setattr(gate, "run", overtaken)
    drained(rig, until=rig.now() + timedelta(seconds=2))
    assert rig.deleted() == []
    ((newest,),) = rig.sql("select last_message_at from chats")
    assert datetime.fromisoformat(str(newest)) > rig.now() - timedelta(minutes=1), "the newer answer stays"


@pytest.mark.parametrize(("after", "passes"), [(0, True), (1, False)])
@pytest.mark.parametrize("column", ["synced_at", "hinted_at"])
def test_what_is_known_from_after_the_read_makes_the_job_read_again(rig, claimed, column, after, passes):
    context, job, wid = claimed
    now = context.clock()
    newer = now + timedelta(milliseconds=after)
    with context.sessions.begin() as session:
        session.execute(update(chats).values({column: newer}))
    found = judged(context, job, matching(context, wid), read_at=now, now=now)
    assert found == (gate.Pass("whatsapp") if passes else gate.Refusal("read too old", waits=True))
    assert rig.states() == {"sent": 1} if passes else {"queued": 1}


@pytest.mark.parametrize("name", ["as before", "anew"])
def test_a_chat_that_was_missing_and_is_read_has_been_seen_whatever_else_changed(rig, claimed, name):
    context, job, wid = claimed
    now = context.clock()
    # Once what is read is all known, once something of it is new.
    facts = matching(context, wid)._replace(name="as before")
    assert judged(context, job, facts, read_at=now, now=now) == gate.Pass("whatsapp")
    rig.sql("update jobs set state = 'leased', intent = null")
    with context.sessions.begin() as session:
        session.execute(update(chats).values(missing_since=now))
    later = now + timedelta(seconds=1)
    facts = facts._replace(name=name)
    assert judged(context, job, facts, read_at=later, now=later) == gate.Pass("whatsapp")
    with context.sessions() as session:
        row = session.execute(select(chats.c.name, chats.c.missing_since, chats.c.synced_at)).one()
    assert row == (name, None, later)


@pytest.mark.parametrize("action", ["delete", "keep"])
def test_a_policy_that_this_program_cannot_read_makes_the_jobs_wait_that_it_could_keep(rig, action):
    rig.chat(1)
    rig.apply(more="  - {name: keep-vip, action: keep, when: {labels: [vip]}}")
    whole(rig)
    queue(rig)
    odd = json.dumps({"action": action, "nonsense": 1})
    rig.sql(
        "insert into policy_versions (policy_id, version, document, rule, created_by, created_at)"
        " select policy_id, 2, :odd, rule, created_by, created_at from policy_versions"
        " where policy_id = (select id from policies where action = :action)",
        odd=odd,
        action=action,
    )
    rig.sql("update policies set version = 2 where action = :action", action=action)
    assert drained(rig) == drain.Report(0)
    assert rig.states() == {"queued": 1}, "no worker dies of it, and no lease is left"
    assert rig.deleted() == []
    rig.sql("update policies set version = 1")
    rig.offset += timedelta(hours=1)
    drained(rig)
    assert rig.states() == {"deleted": 1}


def test_a_retired_policy_cancels_at_the_gate(rig, claimed):
    context, job, wid = claimed
    rig.sql("update policies set state = 'retired'")
    now = context.clock()
    refusal = judged(context, job, matching(context, wid), read_at=now, now=now)
    assert refusal == gate.Refusal("policy.retired")
    assert rig.states() == {"cancelled": 1}


def test_a_paused_policy_is_waited_for_at_the_gate(rig, claimed):
    context, job, wid = claimed
    rig.sql("update policies set state = 'paused'")
    now = context.clock()
    refusal = judged(context, job, matching(context, wid), read_at=now, now=now)
    assert refusal == gate.Refusal("paused", waits=True)
    assert rig.states() == {"queued": 1}, "a pause takes nothing off the list"


def test_a_grace_that_became_longer_after_the_claim_counts(rig, claimed):
    context, job, wid = claimed
    rig.apply(grace="14d")
    now = context.clock()
    refusal = judged(context, job, matching(context, wid), read_at=now, now=now)
    assert refusal == gate.Refusal("grace", waits=True), "the job was claimed under the shorter grace"


def test_the_gate_evaluates_the_current_version_not_the_one_that_queued(rig, claimed):
    context, job, wid = claimed
    rig.apply(when="{resolved_for: 90d}")
    now = context.clock()
    assert judged(context, job, matching(context, wid), read_at=now, now=now) == gate.Refusal(
        "when.resolved_for"
    )
    assert rig.sql("select version from jobs") == [(2,)]


@pytest.mark.parametrize("clause", ["hold", "keep.keep-legal"])
def test_a_label_that_the_fresh_read_brings_keeps_its_chat(rig, claimed, clause):
    context, job, wid = claimed
    if clause == "hold":
        with context.sessions.begin() as session:
            hold = {"scope": "label", "label": "legal", "reason": "case 7", "held_by": "dpo"}
            session.execute(insert(holds).values(placed_at=context.clock(), **hold))
    else:
        rig.apply(more="  - {name: keep-legal, action: keep, when: {labels: [legal]}}")
    now = context.clock()
    facts = matching(context, wid)._replace(labels=("legal",))
    assert judged(context, job, facts, read_at=now, now=now) == gate.Refusal(clause)
    assert rig.states() == {"cancelled": 1}


def test_a_fact_that_the_fresh_read_lacks_cancels(claimed):
    context, job, wid = claimed
    now = context.clock()
    refusal = judged(context, job, ChatFacts(wid, kind="chat", status="resolved"), read_at=now, now=now)
    assert refusal == gate.Refusal("scope.age_floor")


def test_looking_opens_no_provider_at_all(rig, monkeypatch):
    rig.chat(1)
    rig.apply()
    rig.sync()

    def never(*_):
        pytest.fail("a command that only looks opened a provider")

    monkeypatch.setattr(registry, "open_reader", never)
    monkeypatch.setattr(registry, "open_deleter", never)
    with rig.ledger() as ledger:
        wanted = [stored.policy for stored, _ in wiring.policies(ledger)]
        (seen,) = wiring.preview(ledger, wanted, now=rig.now()).previews
        assert len(seen.matches) == 1
        (told,) = wiring.explain(ledger, "+44 7700 900001", now=rig.now())
        assert told.policies[0].matches


def test_explain_says_when_a_chat_becomes_eligible_and_it_does_then(rig):
    rig.chat(1, quiet_days=10)
    rig.apply()
    rig.sync()
    with rig.ledger() as ledger:
        (told,) = wiring.explain(ledger, "447700900001@c.us", now=rig.now())
    eligible = told.policies[0].eligible_at
    assert timedelta(days=19) < eligible - rig.now() <= timedelta(days=20)
    rig.offset = eligible - rig.now() - timedelta(minutes=1)
    assert rig.run().outcomes == {}
    rig.offset += timedelta(minutes=2)
    assert rig.run().outcomes == {"deleted": 1}
