"""A scheduled run is evaluated once, by the policies in force, and ends whatever happens."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy.exc import IntegrityError

from chat_hygiene.core.errors import DatabaseError
from chat_hygiene.pipeline import evaluate
from chat_hygiene.store import candidates, loads, runs
from chat_hygiene.wiring.serving import Service
from integration.pipeline.deciding import at_once, queued
from support.timetable import HOUR, Timetable

MINUTE = timedelta(minutes=1)


def test_a_fresh_number_is_evaluated_at_once(table):
    table.policy()
    table.now += HOUR
    table.number()
    table.chat(1)
    report = table.evaluate(table.due_run())
    assert (report.state, report.reason, report.queued, report.mode) == ("done", "queued", 1, "enforce")
    assert table.runs() == [("04 03:00", "done", "queued")]
    assert table.sql("select state from jobs") == [("queued",)]
    assert len(table.events("run.finished")) == 1
    assert table.evaluate(report.run_id) is None, "a run that ended is evaluated again"


def test_two_evaluations_of_one_run_at_once_are_one(table):
    table.policy()
    table.number()
    for number in range(20):
        table.chat(number)
    run_id = table.due_run()
    barrier, ended = threading.Barrier(6), []

    def work():
        with table.context() as context:
            barrier.wait()
            try:
                ended.append(evaluate.scheduled(context, run_id, now=table.now))
            except Exception as error:  # noqa: BLE001 - told below
                ended.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 6
    reports = [each for each in ended if each is not None]
    assert [getattr(each, "queued", each) for each in reports] == [20]
    assert len(table.events("run.finished")) == len(table.events("jobs.queued")) == 1


def test_a_run_is_evaluated_by_the_policys_current_version(table):
    table.policy()
    table.number()
    table.chat(1)
    run_id = table.due_run()
    table.policy(mode="observe")
    assert table.evaluate(run_id).reason == "observe"
    assert table.sql("select version, mode, state, reason from policy_runs") == [
        (2, "observe", "done", "observe")
    ]
    assert table.sql("select id from jobs") == []


@pytest.mark.parametrize("state", ["paused", "retired"])
def test_a_policy_paused_or_retired_meanwhile_ends_its_run_without_a_job(table, state):
    table.policy()
    table.number()
    table.chat(1)
    run_id = table.due_run()
    table.sql("update policies set state = :state", state=state)
    report = table.evaluate(run_id)
    assert (report.state, report.reason) == ("expired", state)
    assert table.runs() == [("04 03:00", "expired", state)]
    assert len(table.events("run.skipped")) == 1
    assert table.sql("select id from jobs") == []


def test_a_crash_in_the_middle_leaves_the_run_to_the_next_sweep(table, monkeypatch):
    table.policy()
    table.number()
    table.chat(1)
    run_id = table.due_run()

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            table.evaluate(run_id)
    assert table.runs() == [("04 03:00", "syncing", None)]
    assert table.sql("select id from jobs") == []
    assert table.tick().runs == (run_id,)
    assert table.evaluate(run_id).queued == 1


def test_an_unexpected_error_ends_the_run_as_failed_and_leaves_nothing_of_it(table, monkeypatch):
    table.policy()
    table.number()
    table.chat(1)
    run_id = table.due_run()

    def clash(*_, **__):
        raise IntegrityError("insert", {}, Exception("unique"))

    with monkeypatch.context() as patch:
        patch.setattr(loads, "loads", clash)
        report = table.evaluate(run_id)
    assert (report.state, report.reason) == ("failed", "error: IntegrityError")
    assert table.runs() == [("04 03:00", "failed", "error: IntegrityError")]
    assert table.sql("select id from jobs") == []
    assert len(table.events("run.failed")) == 1
    assert table.tick().runs == ()


def test_a_database_in_trouble_leaves_the_run_waiting_but_not_for_ever(table, monkeypatch):
    table.policy()
    table.number()
    run_id = table.due_run()

    def away(*_, **__):
        raise DatabaseError("the database cannot be reached")

    monkeypatch.setattr(candidates, "funnel", away)
    with pytest.raises(DatabaseError):
        table.evaluate(run_id)
    assert table.runs() == [("04 03:00", "syncing", None)]
    table.now += 6 * HOUR
    assert table.evaluate(run_id).reason == "database"
    assert table.runs() == [("04 03:00", "failed", "database")]


def test_a_keep_policy_that_cannot_be_read_deletes_nothing(table):
    table.policy()
    gone = dict.fromkeys(("schedule", "mode", "grace", "delete", "limits"))
    table.policy("keep", action="keep", **gone)
    table.spoil("keep", when={"a-newer-condition": True})
    table.number()
    table.chat(1)
    report = table.evaluate(table.due_run())
    assert (report.state, report.reason) == ("failed", "unreadable policy")
    assert table.sql("select id from jobs") == []


def test_a_policy_that_is_being_evaluated_elsewhere_is_left_to_the_next_sweep(postgres_databases):
    # SQLite has one writer: there the second one waits for the first.
    with postgres_databases.copy() as url:
        table = Timetable(url)
        table.policy()
        table.number()
        run_id = table.due_run()
        with table.context() as other, other.sessions.begin() as session:
            evaluate.policies.lock(session, 1)
            assert table.evaluate(run_id) is None
        assert table.evaluate(run_id) is not None


def test_a_due_policy_goes_the_whole_way_by_what_each_tick_wakes(rig):
    wid = rig.chat(1)
    rig.apply()
    rig.sql("update policies set next_run_at = :at", at="2026-01-01T03:00:00.000000Z")
    service = Service(rig.settings(), stop=lambda: False, clock=rig.now)
    woken = []
    while not rig.deleted():
        wake = service.tick()
        assert len(woken) < 6, f"ticks go on without a deletion: {woken}"
        woken.append([name for name in ("account", "devices", "runs", "drain") if getattr(wake, name)])
        if wake.account:
            service.list_devices()
        for device_id in wake.devices:
            service.sync(device_id)
        for run_id in wake.runs:
            service.evaluate(run_id)
        if wake.drain:
            service.drain()
    service.close()
    assert woken == [["account", "runs"], ["devices", "runs"], ["drain"]]
    assert rig.deleted() == [wid]
    reasons = dict(rig.sql("select reason, count(*) from policy_runs group by reason"))
    assert reasons["queued"] == 1
    assert reasons.keys() <= {"queued", "coalesced", "missed"}


def test_runs_of_two_policies_at_once_queue_each_chat_once_and_wait_for_nobody_for_ever(table):
    table.policy("old")
    table.policy("other", when="{inactive_for: 31d}")
    table.number()
    for number in range(40):
        table.chat(number)

    def work(name, second):
        slot = table.now + timedelta(seconds=second)
        with table.context() as context:
            return evaluate.run(context, name, trigger="manual", slot=slot, now=table.now)

    names = ["old", "other"] * 3
    ended = at_once(*(partial(work, name, second) for second, name in enumerate(names)))
    assert sum(getattr(each, "queued", -99) for each in ended) == 40, ended
    refs = queued(table)
    assert len(refs) == len(set(refs)) == 40


def test_a_slot_that_two_evaluate_at_once_has_one_run(table):
    table.policy()
    table.number()
    table.chat(1)

    def work():
        with table.context() as context:
            return evaluate.run(context, "old", trigger="manual", slot=table.now, now=table.now)

    ended = at_once(work, work, work)
    assert sum(isinstance(each, IntegrityError) for each in ended) == 2, ended
    assert table.sql("select count(*) from policy_runs") == [(1,)]
    assert queued(table) == ["chat_1"]
