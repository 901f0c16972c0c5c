"""Stale numbers: a scheduled run asks for the sync they lack, waits for it, and not for ever."""

from datetime import timedelta

import pytest

from chat_hygiene.store import heartbeats
from support.timetable import DAY, HOUR, instant

MINUTE = timedelta(minutes=1)


def test_a_stale_number_is_swept_first(table):
    table.number(last_full_sync_at=table.now - 4 * HOUR)
    table.policy()
    table.chat(1)
    run_id = table.due_run()
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
    table.due_run()
    assert table.sql("select sync_wanted_at from devices") == [(None,)]


def test_a_number_outside_the_policys_scope_is_neither_asked_nor_waited_for(table):
    table.number()
    table.number("d2", alias="Sales", last_full_sync_at=table.now - DAY)
    table.policy(devices="[d1]")
    run_id = table.due_run()
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
    report = table.evaluate(table.due_run())
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
    run_id = table.due_run()
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
    run_id = table.due_run()
    assert table.evaluate(run_id) is None
    table.now += 6 * HOUR
    report = table.evaluate(run_id)
    assert (report.state, report.reason, report.deferred) == ("done", "stale data", 1)


def test_the_first_run_waits_until_the_accounts_numbers_were_listed(table):
    table.policy()
    run_id = table.due_run()
    assert table.evaluate(run_id) is None
    with table.context() as context, context.sessions.begin() as session:
        heartbeats.chore_done(session, "account", now=table.now)
    assert table.evaluate(run_id).reason == "nothing matched"
