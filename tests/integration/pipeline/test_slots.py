"""Slots: each gets one run, whatever ticks, however late and however often."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from chat_hygiene.pipeline import tick
from chat_hygiene.store import policies
from chat_hygiene.store.engine import reading
from support.timetable import DAY, HOUR, MIDNIGHT, instant

MINUTE = timedelta(minutes=1)


def next_run(table):
    ((at,),) = table.sql("select next_run_at from policies")
    return instant(at)


def test_a_slot_that_comes_gets_its_run_and_the_next_one_is_planned(table):
    table.policy()
    assert table.tick(after=3 * HOUR - MINUTE).runs == ()
    wake = table.tick(after=MINUTE)
    assert len(wake.runs) == 1
    assert table.runs() == [("04 03:00", "syncing", None)]
    assert next_run(table) == MIDNIGHT + 27 * HOUR
    assert table.sql("select trigger, requested_by, mode, version from policy_runs") == [
        ("schedule", "scheduler", "enforce", 1)
    ]
    assert table.events("run.started") == [("old", '{"slot":"2026-05-04T03:00:00+00:00"}')]


def test_ticks_without_number_give_one_run_per_slot(table):
    table.policy()
    for _ in range(5):
        table.tick(after=3 * HOUR + MINUTE if table.now == MIDNIGHT else 15 * timedelta(seconds=1))
    assert table.runs() == [("04 03:00", "syncing", None)]


def test_two_ticks_at_once_give_one_run_per_slot(table):
    names = [f"policy-{number}" for number in range(6)]
    for name in names:
        table.policy(name)
    table.now += 26 * HOUR
    beat_together(table, 6)
    assert table.runs() == [("04 03:00", "syncing", None)] * len(names)
    assert len(table.events("run.started")) == len(names)


def test_two_ticks_at_once_record_what_was_missed_once(table):
    table.policy(schedule='"0 * * * *"')
    table.now += 27 * HOUR
    beat_together(table, 6)
    assert [state for _, state, reason in table.runs() if reason is None] == ["syncing"]
    assert len(table.events("run.started")) == len(table.events("run.skipped")) == 1


def beat_together(table, number):
    barrier, failures = threading.Barrier(number), []

    def beat():
        try:
            with table.context() as context:
                barrier.wait()
                tick.run(context, now=table.now)
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=beat) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_tick_that_saw_a_slot_another_one_took_leaves_it_alone(table):
    table.policy()
    table.now += 3 * HOUR
    with table.context() as context:
        with reading(context.sessions) as session:
            (seen,) = policies.due(session, now=table.now)
        tick.run(context, now=table.now)
        tick._claim(context, seen, now=table.now)
    assert table.runs() == [("04 03:00", "syncing", None)]
    assert len(table.events("run.started")) == 1


def test_a_tick_that_saw_slots_another_one_recorded_as_missed_records_none(table):
    table.policy(schedule='"0 * * * *"')
    table.now += 27 * HOUR
    with table.context() as context:
        with reading(context.sessions) as session:
            (seen,) = policies.due(session, now=table.now)
        tick.run(context, now=table.now)
        tick.run(context, now=table.now + HOUR)
        tick._claim(context, seen, now=table.now)
    assert [len(table.events(kind)) for kind in ("run.started", "run.skipped")] == [1, 2]
    assert next_run(table) == MIDNIGHT + 29 * HOUR, "a late tick took the schedule back"


def test_a_policy_that_was_edited_since_it_was_seen_is_not_claimed_as_it_was(table):
    table.policy()
    table.now += 3 * HOUR
    with table.context() as context, reading(context.sessions) as session:
        (seen,) = policies.due(session, now=table.now)
    table.policy(mode="observe")
    with table.context() as context:
        tick._claim(context, seen, now=table.now)
    assert table.runs() == [], "the run of a version that is no longer in force was opened"
    table.tick()
    assert table.sql("select version, mode from policy_runs") == [(2, "observe")]


def test_a_changed_version_does_not_run_a_slot_again(table):
    table.policy()
    table.tick(after=3 * HOUR)
    # A change made by a process whose clock is behind plans the slot anew.
    table.policy(mode="observe")
    table.sql("update policies set next_run_at = (select scheduled_for from policy_runs)")
    table.tick(after=MINUTE)
    assert table.runs() == [("04 03:00", "syncing", None)]
    assert next_run(table) == MIDNIGHT + 27 * HOUR


def test_a_change_between_a_slot_and_the_tick_does_not_lose_the_slot(table):
    table.policy()
    table.now += 3 * HOUR + timedelta(seconds=5)
    table.policy(when="{inactive_for: 60d}")
    table.tick()
    assert table.runs() == [("04 03:00", "syncing", None)]
    table.now += DAY
    table.policy(when="{inactive_for: 60d}", schedule='"0 9 * * *"')
    assert next_run(table) == MIDNIGHT + 33 * HOUR, "a new schedule keeps the slots of the old one"


def test_after_26_hours_without_a_tick_one_run_makes_up_for_the_missed_ones(table):
    table.policy("hourly", schedule='"0 * * * *"')
    table.policy("nightly")
    table.tick()
    wake = table.tick(after=26 * HOUR)
    assert wake.late == 26 * HOUR
    assert len(wake.runs) == 2
    hourly, nightly = table.runs()[:-1], table.runs()[-1]
    assert nightly == ("04 03:00", "syncing", None)
    assert [row for row in hourly if row[1] == "syncing"] == [("05 02:00", "syncing", None)]
    assert [row[0] for row in hourly if row[2] == "missed"] == ["04 01:00"], "one is older than 24 hours"
    assert len([row for row in hourly if row[1:] == ("done", "coalesced")]) == 24
    ((policy, detail),) = table.events("run.skipped")
    assert policy == "hourly"
    assert json.loads(detail) == {
        "since": "2026-05-04T01:00:00+00:00", "coalesced": 24, "missed": 1, "further": 0,
    }  # fmt: skip
    assert [json.loads(detail) for _, detail in table.events("tick.late")] == [{"seconds": 26 * 3600}]


def test_a_slot_older_than_the_catch_up_window_is_not_made_up_for(table):
    table.policy(catch_up="2h")
    wake = table.tick(after=6 * HOUR)
    assert wake.runs == ()
    assert table.runs() == [("04 03:00", "expired", "missed")]
    assert next_run(table) == MIDNIGHT + 27 * HOUR


def test_a_year_without_ticks_is_no_table_of_its_own(table):
    table.policy(schedule='"0 * * * *"')
    table.tick(after=365 * DAY)
    assert table.sql("select count(*) from policy_runs") == [(201,)]
    ((_, detail),) = table.events("run.skipped")
    told = json.loads(detail)
    assert told["coalesced"] + told["missed"] == 200
    assert told["further"] == 365 * 24 - 201
    assert len([row for row in table.runs() if row[1] == "syncing"]) == 1


def test_a_slot_that_comes_while_an_earlier_run_still_waits_is_merged_into_it(table):
    table.policy(schedule='"*/30 * * * *"')
    first = table.tick(after=30 * MINUTE).runs
    assert table.tick(after=30 * MINUTE).runs == first
    assert table.runs() == [("04 00:30", "syncing", None), ("04 01:00", "done", "coalesced")]


def test_local_time_that_is_skipped_or_occurs_twice_runs_once(table):
    table.now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    table.policy(schedule='"30 2 * * *"', timezone="Europe/Madrid")
    table.tick(after=DAY)
    assert next_run(table) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)
    assert table.runs() == [("29 01:00", "syncing", None)]
    table.sql("update policy_runs set state = 'done'")
    table.now = datetime(2026, 10, 24, 12, tzinfo=UTC)
    table.sql("update policies set next_run_at = null")
    table.sql("delete from policy_runs")
    table.policy(schedule='"30 2 * * *"', timezone="Europe/Madrid", when="{inactive_for: 31d}")
    table.tick(after=DAY)
    assert table.runs() == [("25 00:30", "syncing", None)]


def test_paused_retired_and_keep_policies_get_no_run_and_observing_ones_do(table):
    for name in ("paused", "retired", "observing"):
        table.policy(name, mode="observe")
    gone = dict.fromkeys(("schedule", "mode", "grace", "delete", "limits"))
    table.policy("keep", action="keep", **gone)
    for state in ("paused", "retired"):
        table.sql("update policies set state = :state where name = :state", state=state)
    table.tick(after=3 * HOUR)
    assert table.sql("select p.name, r.mode from policy_runs r join policies p on p.id = r.policy_id") == [
        ("observing", "observe")
    ]


@pytest.mark.parametrize(
    "spoilt", [{"timezone": "Mars/Olympus"}, {"schedule": "61 25 * * *"}, {"when": {}}, {"a-newer-key": 1}]
)
def test_a_policy_that_cannot_be_read_fails_its_run_and_stops_no_other(table, spoilt):
    table.policy("bad")
    table.policy("good")
    table.spoil("bad", **spoilt)
    wake = table.tick(after=3 * HOUR)
    assert table.runs() == [("04 03:00", "failed", "unreadable policy"), ("04 03:00", "syncing", None)]
    assert len(wake.runs) == 1
    table.tick(after=MINUTE)
    assert len(table.runs()) == 2, "it is tried again at once, over and over"
    table.tick(after=DAY)
    assert len(table.sql("select id from policy_runs where state = 'failed'")) == 2
