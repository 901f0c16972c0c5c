"""When a removal may be forced: every path to a forced DELETE, held against the design's four reasons, and never otherwise.

(a) a refusal of this chat, confirmed later, with a good control read; (b) failures or the deadline exhausted while the
device is online: `decide` chooses these, and marks the job. (c) the device offline for longer than the policy's
`offline_grace`; (d) an operator: the gate and the operator's verb.
"""

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update

from chat_hygiene.core.decisions import Answer, Intent, Past, Rules, Sight, decide
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.pipeline import gate
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.store import jobs
from chat_hygiene.store.tables import devices
from integration.pipeline.conftest import DEVICE, drained
from integration.pipeline.syncing import listed, queue, whole
from support.gates import judged

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RULES = Rules(5, timedelta(hours=48), timedelta(seconds=30), timedelta(seconds=600))
GRACE = "true, offline_grace: 7d"
DAY = timedelta(days=1)


def test_decide_forces_for_a_confirmed_refusal_or_exhaustion_online_and_for_nothing_else():
    """Every combination of what was called, answered, read back and known, against the sentence in the design."""
    sights = [None, *(Sight(*each) for each in itertools.product([True, False], [None, True, False]))]
    refusals = [None, NOW - timedelta(seconds=599), NOW - timedelta(seconds=600)]
    since = [NOW - timedelta(minutes=1), NOW - timedelta(hours=49)]
    forced = 0
    for intent, answer, seen, refused_at, attempts, failing, may, online, earlier in itertools.product(
        Intent,
        Answer,
        sights,
        refusals,
        (1, 4, 5, 9, 10),
        since,
        (True, False),
        (True, False),
        (None, *Intent),
    ):
        past = Past(attempts, refused_at, failing, may, earlier, online)
        found = decide(intent, answer, seen, past, rules=RULES, now=NOW, rng=random.Random(1))
        first_refusal = answer is Answer.REFUSED and refused_at is None
        confirmed = answer is Answer.REFUSED and refused_at == refusals[2]
        exhausted = (attempts >= 5 or failing == since[1]) and not first_refusal
        still_there = seen is not None and not seen.platform_removed
        right = intent is Intent.WHATSAPP and may and online and still_there and (confirmed or exhausted)
        assert found.force_next == right, (intent, answer, seen, past)
        forced += found.force_next
    assert forced, "nothing was ever forced: this test looks at nothing"


# What stands in a device's row, as SQL, and whether the gate must wait for it whatever else is said.
OBSTACLES = {
    "nothing": "blocked_reason = null, paused_until = null, breaker_until = null",
    "key": "blocked_reason = 'key', paused_until = null, breaker_until = null",
    "429": "blocked_reason = null, paused_until = :later, breaker_until = null",
    "breaker": "blocked_reason = null, paused_until = null, breaker_until = :later",
}
LAST_ONLINE = {"never": None, "a day ago": DAY, "8 days ago": 8 * DAY}
POLICIES = {
    "platform only": ("false", "false"),
    "no force": ("true", "false"),
    "force": ("true", "true"),
    "force, grace of 7 days": ("true", GRACE),
}
FLAGS = {"no": (False, None), "marked": (True, None), "operator": (True, "boss")}


def allowed(policy, flag, session, last_online, obstacle):
    """The design's sentence for the gate: the call it must make, or None to wait."""
    if obstacle != "nothing":
        return None
    if session != "online":
        gives_up = policy == "force, grace of 7 days" and last_online == "8 days ago"
        return Intent.FORCE if gives_up else None
    if policy == "platform only":
        return Intent.PLATFORM
    may = flag == "operator" or (flag == "marked" and policy != "no force")
    return Intent.FORCE if may else Intent.WHATSAPP


@pytest.mark.parametrize("policy", POLICIES)
def test_the_gate_forces_as_marked_as_asked_or_over_an_offline_device_and_never_otherwise(rig, policy):
    wid = rig.chat(1)
    whatsapp, force = POLICIES[policy]
    rig.apply(whatsapp=whatsapp, force=force)
    rig.overrides["read_only"] = True
    rig.run()
    del rig.overrides["read_only"]
    rows = itertools.product(FLAGS, ("online", "offline"), LAST_ONLINE, OBSTACLES)
    with rig.ledger() as ledger:
        context, now = ledger.context, ledger.now()
        facts = matching(now, wid)
        for flag, session, last_online, obstacle in rows:
            job = claim(context, now, FLAGS[flag], session, LAST_ONLINE[last_online], OBSTACLES[obstacle])
            verdict = judged(context, job, facts, read_at=now, now=now)
            made = verdict.intent if isinstance(verdict, gate.Pass) else None
            assert made == allowed(policy, flag, session, last_online, obstacle), (
                flag,
                session,
                last_online,
                obstacle,
            )
            assert made is not None or verdict.waits, (
                "a device in the way makes a job wait, and never cancels it"
            )


def claim(context, now, flag, session_status, last_online, obstacle):
    with context.sessions.begin() as session:
        session.execute(
            text(
                "update jobs set state = 'queued', intent = null, next_attempt_at = not_before,"
                " force = :force, forced_by = :by"
            ),
            {"force": flag[0], "by": flag[1]},
        )
        at = None if last_online is None else _stored(session, now - last_online)
        session.execute(
            text(f"update devices set session_status = :status, last_online_at = :at, {obstacle}"),
            {"status": session_status, "at": at}
            | ({"later": _stored(session, now + DAY)} if ":later" in obstacle else {}),
        )
        (job,) = jobs.claim(
            session,
            1,
            1,
            mine=jobs.of_policies(None),
            now=now,
            lease=context.settings.lease_seconds,
            owner=context.owner,
            actor="tester",
        )
    return job


def _stored(session, at):
    return at if session.get_bind().dialect.name == "postgresql" else f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"


def matching(now, wid):
    ago = now - 60 * DAY
    return ChatFacts(
        wid, kind="chat", status="resolved", status_updated_at=ago, last_message_at=ago, last_inbound_at=ago
    )


# What happened in the three days between a job's first failure and its next.
MEANWHILE = ("online", "offline", "nobody looked")


@pytest.mark.parametrize("meanwhile", MEANWHILE)
@pytest.mark.parametrize("counted", [True, False])
def test_the_deadline_runs_from_a_counted_failure_and_only_while_the_number_is_online(
    rig, counted, meanwhile, monkeypatch
):
    # By chance it could be so short that the same drain tries again.
    monkeypatch.setattr("chat_hygiene.core.decisions.backoff", lambda *_: timedelta(hours=1))
    rig.chat(1)
    rig.apply()
    whole(rig)
    queue(rig)
    delete = On(method="DELETE")
    if counted:
        rig.world.script(faults.status(409, on=delete))
    else:
        rig.world.script(
            faults.before(lambda: rig.world.set_session(DEVICE, "offline"), on=delete),
            faults.status(500, on=delete),
        )
    drained(rig)
    assert rig.sql("select attempts, force from jobs") == [(int(counted), False)]
    rig.world.set_session(DEVICE, "offline" if meanwhile == "offline" else "online")
    listed(rig)
    rig.offset += 3 * DAY
    if meanwhile == "online":
        with rig.ledger() as ledger, ledger.context.sessions.begin() as session:
            session.execute(update(devices).values(last_online_at=rig.now() - timedelta(minutes=15)))
    rig.world.set_session(DEVICE, "online")
    listed(rig)
    rig.world.script(faults.status(409, on=delete))
    drained(rig)
    forced = counted and meanwhile == "online"
    assert bodies(rig)[2:] == ([{"whatsapp": True, "force": True}] if forced else [])
    assert rig.states() == {"removed_locally" if forced else "queued": 1}


def go_offline(rig, for_, **policy):
    """A number that was seen online, and then for so long only offline."""
    rig.sync()
    rig.apply(**policy)
    rig.world.set_session(DEVICE, "offline")
    rig.offset += for_


def bodies(rig):
    return [seen.sent for seen in rig.world.seen(method="DELETE")]


def test_a_policy_with_an_offline_grace_removes_the_platforms_copy_once_it_is_over(rig):
    rig.chat(1)
    go_offline(rig, 8 * DAY, force=GRACE)
    assert rig.run().outcomes == {"removed_locally": 1}
    assert bodies(rig) == [{"whatsapp": True, "force": True}]
    assert rig.sql("select debt_state, debt_reason, platform_state from jobs") == [
        ("open", "offline", "forced")
    ]
    ((detail,),) = rig.sql("select detail from audit_events where kind = 'job.intent'")
    assert f'"offline_seconds":{8 * 86400}'[:-2] in detail, "the audit says how old the facts were"
    assert rig.verified()


@pytest.mark.parametrize(("for_", "force"), [(6 * DAY, GRACE), (100 * DAY, "true"), (100 * DAY, "false")])
def test_before_it_is_over_or_without_one_an_offline_number_is_waited_for(rig, for_, force):
    rig.chat(1)
    go_offline(rig, for_, force=force)
    report = rig.run()
    assert report.evaluated[0].reason == "stale data"
    assert bodies(rig) == []
    rig.world.set_session(DEVICE, "online")
    assert rig.run().outcomes == {"deleted": 1}
    assert bodies(rig) == [{"whatsapp": True}]


def test_a_job_that_waits_already_is_taken_up_when_the_grace_is_over(rig):
    rig.chat(1)
    rig.apply(force=GRACE)
    rig.overrides["read_only"] = True
    rig.run()
    del rig.overrides["read_only"]
    rig.world.set_session(DEVICE, "offline")
    rig.offset += 6 * DAY
    assert rig.run().outcomes == {}
    rig.offset += 2 * DAY
    assert rig.run().outcomes == {"removed_locally": 1}


def test_a_number_that_is_online_after_all_is_asked_without_force(rig):
    rig.chat(1)
    go_offline(rig, 8 * DAY, force=GRACE)
    rig.overrides["read_only"] = True
    rig.run()
    del rig.overrides["read_only"]
    # Two syncs so far, each of which asks for the number itself: the next asks so often, then the control read does.
    in_two_syncs = len(rig.world.seen(route="device"))
    rig.world.script(
        faults.before(
            lambda: rig.world.set_session(DEVICE, "online"), on=On(route="device", nth=in_two_syncs // 2 + 1)
        )
    )
    assert rig.run().outcomes == {"deleted": 1}
    assert bodies(rig) == [{"whatsapp": True}]


@pytest.mark.parametrize("code", [400, 503])
def test_a_service_that_will_not_force_over_an_offline_number_is_not_asked_for_ever(rig, code):
    rig.chat(1)
    go_offline(rig, 8 * DAY, force=GRACE)
    rig.overrides |= {"delete_deadline_seconds": 0.3, "retry_base_seconds": 0.005, "read_only": True}
    rig.run()
    rig.sql("update jobs set attempts = 8")
    rig.overrides["read_only"] = False
    rig.world.script(faults.status(code, on=On(method="DELETE", times=4)))
    assert rig.run().outcomes == {"failed": 1}
    assert bodies(rig) == [{"whatsapp": True, "force": True}] * 2


def test_a_chat_on_an_offline_number_is_still_read_fresh_and_judged(rig):
    wid = rig.chat(1)
    go_offline(rig, 8 * DAY, force=GRACE)
    rig.world.script(
        faults.before(
            lambda: rig.world.message_arrives(DEVICE, wid), on=On(method="GET", route="chat", wid=wid)
        )
    )
    assert rig.run().outcomes == {"cancelled": 1}
    assert bodies(rig) == []
