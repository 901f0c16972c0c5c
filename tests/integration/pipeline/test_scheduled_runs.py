"""A scheduled run waits for the sync it lacks, is evaluated once, and ends whatever happens."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from chat_hygiene.core.errors import DatabaseError
from chat_hygiene.pipeline import evaluate
from chat_hygiene.store import candidates, heartbeats
from chat_hygiene.wiring.serving import Service
from support.timetable import DAY, HOUR, Timetable, instant

MINUTE = timedelta(minutes=1)


@pytest.fixture
def table(database_url):
    return Timetable(database_url)


def due_run(table) -> int:
    """Time goes on to the next slot; the id of its run."""
    table.now = table.now.replace(hour=3, minute=0) + (DAY if table.now.hour >= 3 else timedelta(0))
    return table.tick().runs[-1]


def test_a_fresh_number_is_evaluated_at_once(table):
    table.policy()
    table.now += HOUR
    table.number()
    table.chat(1)
    report = table.evaluate(due_run(table))
    assert (report.state, report.reason, report.queued, report.mode) == ("done", "queued", 1, "enforce")
    assert table.runs() == [("04 03:00", "done", "queued")]
    assert table.sql("select state from jobs") == [("queued",)]
    assert len(table.events("run.finished")) == 1
    assert table.evaluate(report.run_id) is None, "a run that ended is evaluated again"


def test_a_stale_number_is_swept_first(table):
    table.number(last_full_sync_at=table.now - 4 * HOUR)
    table.policy()
    table.chat(1)
    run_id = due_run(table)
    ((wanted,),) = table.sql("select sync_wanted_at from devices")
    assert table.now - 6 * HOUR <= instant(wanted) <= table.now
    table.sql("update devices set last_online_at = last_seen_at")
    assert table.evaluate(run_id) is None, "the run did not wait for the sync it lacks"
    assert table.runs() == [("04 03:00", "syncing", None)]
    table.now += 20 * MINUTE
    assert table.tick().runs == (run_id,)
    table.synced()
    assert table.evaluate(run_id).queued == 1


def test_a_fresh_number_is_not_swept_again(table):
    table.number()
    table.policy()
    due_run(table)
    assert table.sql("select sync_wanted_at from devices") == [(None,)]


def test_a_number_outside_the_policys_scope_is_neither_asked_nor_waited_for(table):
    table.number()
    table.number("d2", alias="Sales", last_full_sync_at=table.now - DAY)
    table.policy(devices="[d1]")
    run_id = due_run(table)
    assert table.sql("select sync_wanted_at from devices") == [(None,), (None,)]
    assert table.evaluate(run_id).state == "done"


LONG = timedelta(hours=7)
HOPELESS = {
    "not operative": {"status": "disabled", "last_full_sync_at": LONG},
    "without the plan": {"product": "gateway", "last_full_sync_at": LONG},
    "blocked": {"blocked_reason": "key", "last_full_sync_at": LONG},
    "paused for long": {"paused_until": -LONG, "last_full_sync_at": LONG},
    "failed since": {"sync_failed_at": timedelta(0), "last_full_sync_at": LONG},
    "offline for long": {"session_status": "offline", "last_online_at": LONG},
    "offline for long, never swept": {
        "session_status": "offline", "last_online_at": LONG, "last_full_sync_at": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("why", HOPELESS)
def test_a_number_that_cannot_become_fresh_is_deferred_and_keeps_no_other_waiting(table, why):
    table.now += 3 * HOUR
    age = lambda value: table.now - value if isinstance(value, timedelta) else value  # noqa: E731
    stuck = table.number("stuck", **{name: age(value) for name, value in HOPELESS[why].items()})
    good = table.number("good")
    table.chat(1, stuck)
    table.chat(2, good)
    table.now -= 3 * HOUR
    table.policy()
    report = table.evaluate(due_run(table))
    assert (report.queued, report.deferred) == (1, 1)
    assert table.sql("select device_id from jobs") == [(good,)]


COMING = {
    "stale": {"last_full_sync_at": LONG},
    "never swept": {"last_full_sync_at": None},
    "offline since lately": {
        "session_status": "offline",
        "last_online_at": MINUTE,
        "last_full_sync_at": LONG,
    },
    "failed before": {"sync_failed_at": MINUTE, "last_full_sync_at": LONG},
    "paused for a moment": {"breaker_until": -MINUTE, "last_full_sync_at": LONG},
    "not looked at for long": {"session_status": "offline", "last_seen_at": LONG, "last_online_at": LONG},
}


def test_a_policy_that_gave_an_offline_number_up_still_asks_for_its_sync(table):
    table.number(
        session_status="offline", last_online_at=table.now - 9 * DAY, last_full_sync_at=table.now - 7 * HOUR
    )
    table.chat(1)
    table.policy(delete="{from_whatsapp: true, offline_grace: 7d}")
    run_id = due_run(table)
    table.sql(
        "update devices set last_seen_at = :now", now=table.sql("select scheduled_for from policy_runs")[0][0]
    )
    assert table.evaluate(run_id) is None
    assert table.sql("select count(*) from devices where sync_wanted_at is not null") == [(1,)]
    table.synced(last_online_at=table.now - 9 * DAY)
    assert table.evaluate(run_id).queued == 1


@pytest.mark.parametrize("why", COMING)
def test_a_number_that_may_become_fresh_is_waited_for_but_not_for_ever(table, why):
    table.now += 3 * HOUR
    age = lambda value: table.now - value if isinstance(value, timedelta) else value  # noqa: E731
    number = table.number(**{name: age(value) for name, value in COMING[why].items()})
    table.chat(1, number)
    table.now -= 3 * HOUR
    table.policy()
    run_id = due_run(table)
    assert table.evaluate(run_id) is None
    table.now += 6 * HOUR
    report = table.evaluate(run_id)
    assert (report.state, report.reason, report.deferred) == ("done", "stale data", 1)


def test_the_first_run_waits_until_the_accounts_numbers_were_listed(table):
    table.policy()
    run_id = due_run(table)
    assert table.evaluate(run_id) is None
    with table.context() as context, context.sessions.begin() as session:
        heartbeats.chore_done(session, "account", now=table.now)
    assert table.evaluate(run_id).reason == "nothing matched"


def test_two_evaluations_of_one_run_at_once_are_one(table):
    table.policy()
    table.number()
    for number in range(20):
        table.chat(number)
    run_id = due_run(table)
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
    run_id = due_run(table)
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
    run_id = due_run(table)
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
    run_id = due_run(table)

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "_close", die)
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
    run_id = due_run(table)

    def clash(*_, **__):
        raise IntegrityError("insert", {}, Exception("unique"))

    with monkeypatch.context() as patch:
        patch.setattr(candidates, "loads", clash)
        report = table.evaluate(run_id)
    assert (report.state, report.reason) == ("failed", "error: IntegrityError")
    assert table.runs() == [("04 03:00", "failed", "error: IntegrityError")]
    assert table.sql("select id from jobs") == []
    assert len(table.events("run.failed")) == 1
    assert table.tick().runs == ()


def test_a_database_in_trouble_leaves_the_run_waiting_but_not_for_ever(table, monkeypatch):
    table.policy()
    table.number()
    run_id = due_run(table)

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
    report = table.evaluate(due_run(table))
    assert (report.state, report.reason) == ("failed", "error: ValidationError")
    assert table.sql("select id from jobs") == []


def test_a_policy_that_is_being_evaluated_elsewhere_is_left_to_the_next_sweep(postgres_databases):
    # SQLite has one writer: there the second one waits for the first.
    with postgres_databases.copy() as url:
        table = Timetable(url)
        table.policy()
        table.number()
        run_id = due_run(table)
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
