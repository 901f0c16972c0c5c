"""Plans carried out: the chats that a person looked at go, or fewer of them, and no other ever."""

import json
from datetime import timedelta

import pytest

from chat_hygiene import wiring
from chat_hygiene.core.errors import Exit, HygieneError, SafetyStopError
from integration.pipeline.conftest import DEVICE

LONG = timedelta(days=1, minutes=1)
MORE = """
  - name: quiet-90d
    schedule: "0 3 * * *"
    mode: enforce
    when: {status: pending, inactive_for: 90d}
    grace: none
    delete: {from_whatsapp: true}
    limits: {canary: off}
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "plan.json"


def make(rig, file, name=None):
    """Writes a plan of what is stored; returns it."""
    with rig.ledger() as ledger:
        _, plan = wiring.make_plan(ledger, name, now=ledger.now())
        wiring.save_plan(ledger, plan, file)
    return plan


def carry_out(rig, file):
    with rig.ledger() as ledger:
        return wiring.run_once(ledger, (), watcher=wiring.Watcher(), plan=wiring.load_plan(ledger, file))


def refused(rig, file):
    """The error that a plan is refused with; nothing was asked of the API, and nothing stored."""
    before, events = len(rig.world.seen()), rig.sql("select count(*) from audit_events")
    with pytest.raises(HygieneError) as raised:
        carry_out(rig, file)
    assert len(rig.world.seen()) == before
    assert rig.sql("select count(*) from audit_events") == events
    return raised.value


def dropped(report):
    return {(each.chat_hint, each.clause) for run in report.evaluated for each in run.dropped}


def test_exactly_the_chats_of_the_plan_are_deleted(rig, file):
    gone = {rig.chat(n) for n in (1, 2)}
    rig.chat(3, status="active")
    rig.apply()
    rig.sync()
    plan = make(rig, file)
    report = carry_out(rig, file)
    assert set(rig.deleted()) == gone
    assert report.outcomes == {"deleted": 2}
    ((trigger, approved_by, state),) = rig.sql("select trigger, approved_by, state from policy_runs")
    assert (trigger, approved_by, state) == ("plan", "tester", "done")
    ((detail,),) = rig.sql("select detail from audit_events where kind = 'jobs.queued'")
    detail = detail if isinstance(detail, dict) else json.loads(detail)
    assert detail["digest"] == plan.policies[0].digest
    assert rig.verified()


def test_a_dry_run_that_differed_what_matches_only_later_is_not_deleted(rig, file):
    listed = rig.chat(1)
    rig.apply()
    rig.sync()
    make(rig, file)
    rig.chat(2)
    rig.chat(3)
    report = carry_out(rig, file)
    assert rig.deleted() == [listed]
    assert report.evaluated[0].funnel.matched == 3
    assert (report.evaluated[0].queued, report.outcomes) == (1, {"deleted": 1})


def test_an_approved_list_that_drifted_loses_chats_and_says_by_which_clause(rig, file):
    for number in range(1, 6):
        rig.chat(number)
    stays = rig.chat(6)
    rig.apply(
        unless="unless: {labels: [vip]}",
        more="  - {name: contracts, action: keep, when: {labels: [contract]}}",
    )
    rig.sync()
    make(rig, file)
    wids = [f"44770090{number:04d}@c.us" for number in range(7)]
    rig.world.message_arrives(DEVICE, wids[1])
    rig.world.change_chat(DEVICE, wids[2], labels=["vip"])
    rig.world.change_chat(DEVICE, wids[3], labels=["contract"])
    rig.world.change_chat(DEVICE, wids[4], status="active")
    ((ref,),) = rig.sql("select chat_ref from chats where wid = :wid", wid=wids[5])
    rig.sql(
        "insert into holds (scope, chat_ref, reason, held_by, placed_at)"
        " values ('chat', :ref, 'case 7', 'dpo', '2026-01-01T00:00:00.000000Z')",
        ref=ref,
    )
    report = carry_out(rig, file)
    assert rig.deleted() == [stays]
    assert dropped(report) == {
        ("+44 ··· 01", "scope.age_floor"),
        ("+44 ··· 02", "unless.labels"),
        ("+44 ··· 03", "keep.contracts"),
        ("+44 ··· 04", "when.resolved_for"),
        ("+44 ··· 05", "hold"),
    }


def test_due_jobs_of_other_policies_wait(rig, file):
    rig.chat(1)
    rig.apply(grace="1d")
    rig.run()  # queued, and due a day later
    rig.chat(2, status="pending", quiet_days=200)
    rig.apply(grace="1d", more=MORE)
    rig.sync()
    make(rig, file, "quiet-90d")
    rig.offset = LONG
    report = carry_out(rig, file)
    assert rig.deleted() == ["447700900002@c.us"]
    assert (report.outcomes, report.waiting.later) == ({"deleted": 1}, 0)
    assert rig.states() == {"deleted": 1, "queued": 1}


def test_due_jobs_of_the_same_policy_that_are_not_in_the_plan_wait(rig, file):
    listed = rig.chat(1)
    rig.apply(grace="1d")
    rig.sync()
    make(rig, file)
    rig.chat(2)
    rig.run()  # queues both
    rig.offset = LONG
    report = carry_out(rig, file)
    assert rig.deleted() == [listed]
    assert (report.outcomes, report.waiting.stuck) == ({"deleted": 1}, 0)
    assert rig.states() == {"deleted": 1, "queued": 1}


def test_grace_is_respected_and_a_listed_chat_that_is_queued_already_goes_when_it_is_over(rig, file):
    wid = rig.chat(1)
    rig.apply(grace="1d")
    rig.sync()
    make(rig, file)
    report = carry_out(rig, file)
    assert (report.evaluated[0].queued, report.waiting.later, rig.deleted()) == (1, 1, [])
    report = carry_out(rig, file)
    assert (report.evaluated[0].reason, report.evaluated[0].dropped) == ("already queued", ())
    rig.offset = LONG
    assert carry_out(rig, file).outcomes == {"deleted": 1}
    assert rig.deleted() == [wid]


def test_neither_brakes_nor_canary_are_asked_because_somebody_saw_the_list(rig, file):
    for number in range(1, 5):
        rig.chat(number)
    rig.apply(limits="{max_chats: 1, max_share: 1%, canary: 1}")
    rig.sync()
    make(rig, file)
    assert carry_out(rig, file).outcomes == {"deleted": 4}


def test_a_plan_that_was_carried_out_does_nothing_a_second_time(rig, file):
    rig.chat(1)
    rig.apply()
    rig.sync()
    make(rig, file)
    carry_out(rig, file)
    report = carry_out(rig, file)
    assert (report.evaluated[0].queued, report.outcomes) == (0, {})
    assert len(rig.deleted()) == 1
    # A chat that came back as a new conversation is none that the plan lists.
    rig.chat(1)
    report = carry_out(rig, file)
    assert dropped(report) == {("+44 ··· 01", "generation")}
    assert len(rig.deleted()) == 1


@pytest.mark.parametrize("before", ["resolved-30d", "quiet-90d"])
def test_a_chat_that_another_policy_has_queued_is_no_ones_but_that_policys(rig, file, before):
    """Whichever policy was first, the plan of one drains only what that one queued."""
    rig.chat(1, quiet_days=200)
    both = MORE.replace("status: pending", "status: resolved")
    rig.apply(grace="1d", more=both)
    rig.sync()
    rig.run("resolved-30d")
    report_of = make(rig, file)
    assert {each.policy: len(each.candidates) for each in report_of.policies} == {
        "resolved-30d": 1,
        "quiet-90d": 0,
    }
    file.unlink()
    make(rig, file, before)
    carry_out(rig, file)
    assert rig.deleted() == []


def test_an_altered_plan_is_refused(rig, file):
    rig.chat(1)
    rig.chat(2, status="active")
    rig.apply()
    rig.sync()
    make(rig, file)
    document = json.loads(file.read_text())
    ((other,),) = rig.sql("select chat_ref from chats where status = 'active'")
    document["policies"][0]["candidates"][0]["chat_ref"] = other
    file.write_text(json.dumps(document, indent=2) + "\n")
    error = refused(rig, file)
    assert error.exit_code == Exit.SAFETY_STOP
    assert "not as it was written" in str(error)


def test_a_plan_expires(rig, file):
    rig.chat(1)
    rig.apply()
    rig.sync()
    make(rig, file)
    rig.offset = timedelta(days=7, seconds=1)
    assert "out of date since" in str(refused(rig, file))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("update policies set state = 'paused'", "is paused"),
        ("update policies set state = 'retired'", "is not stored any more"),
        ("update switches set \"on\" = true, at = '2026-01-01T00:00:00.000000Z', actor = 'eva' where name = 'stop'", "stopped by eva"),
    ],
    ids=["paused", "retired", "stopped"],
)  # fmt: skip
def test_a_plan_is_refused_while_its_policy_does_not_delete_or_nothing_may(rig, file, change, words):
    rig.chat(1)
    rig.apply()
    rig.sync()
    make(rig, file)
    rig.sql(change)
    error = refused(rig, file)
    assert (error.exit_code, bool(error.fix)) == (Exit.SAFETY_STOP, True)
    assert words in str(error)


@pytest.mark.parametrize("edit", [{"mode": "observe"}, {"when": "{resolved_for: 31d}"}, {"grace": "1d"}])
def test_a_plan_of_another_version_is_refused(rig, file, edit):
    rig.chat(1)
    rig.apply()
    rig.sync()
    make(rig, file)
    rig.apply(**edit)
    assert "the plan is of version 1, now version 2 stands" in str(refused(rig, file))


def test_a_policy_that_changes_while_the_plan_syncs_lets_nothing_go(rig, file):
    rig.chat(1)
    rig.apply()
    rig.sync()
    make(rig, file)

    def edit(stage):
        if stage == "evaluate":
            rig.apply(when="{resolved_for: 31d}")

    with rig.ledger() as ledger, pytest.raises(SafetyStopError, match="version 2"):
        plan = wiring.load_plan(ledger, file)
        wiring.run_once(ledger, (), watcher=wiring.Watcher(stage=edit), plan=plan)
    assert rig.deleted() == []
    assert rig.states() == {}


@pytest.mark.parametrize(("change", "words"), [
    (lambda rig: rig.apply(when="{resolved_for: 31d}"), "version 2"),
    (lambda rig: rig.sql("update policies set state = 'retired'"), "was retired"),
])  # fmt: skip
def test_a_change_after_the_last_look_lets_nothing_go_either(rig, file, monkeypatch, change, words):
    rig.chat(1)
    rig.apply()
    rig.sync()
    make(rig, file)
    change(rig)
    monkeypatch.setattr("chat_hygiene.wiring.running.check_plan", lambda *_: None)
    with pytest.raises(SafetyStopError, match=words):
        carry_out(rig, file)
    assert rig.states() == {}


def test_a_process_that_may_not_delete_carries_no_plan_out(rig, file):
    rig.chat(1)
    rig.apply()
    rig.sync()
    make(rig, file)
    rig.overrides["read_only"] = True
    assert "READ_ONLY" in carry_out(rig, file).drained.stopped
    assert rig.deleted() == []
