"""What `schedule` says is what the ticks do."""

from datetime import UTC, datetime, timedelta

import pytest

from chat_hygiene.core.errors import UsageError
from chat_hygiene.wiring import Ledger, planning, stopping
from support.timetable import DAY, HOUR, MIDNIGHT, Timetable, instant

MINUTE = timedelta(minutes=1)


@pytest.fixture
def table(database_url):
    return Timetable(database_url)


def shown(table, *names, days=7):
    with table.context() as context:
        return planning.timetable(Ledger(context), names, now=table.now, until=table.now + days * DAY)


@pytest.mark.parametrize(
    "day", [datetime(2026, 3, 28, 22, 30, tzinfo=UTC), datetime(2026, 10, 24, 22, 30, tzinfo=UTC)]
)
def test_the_ticks_run_what_was_shown_also_when_the_clock_changes(table, day):
    table.now = day
    table.policy(schedule='"30 1-3 * * *"', timezone="Europe/Madrid")
    (planned,) = shown(table, days=0.25).planned
    end = table.now + 6 * HOUR
    while table.now < end - MINUTE:
        table.tick(after=30 * MINUTE)
        table.sql("update policy_runs set state = 'done'")
    ran = table.sql("select scheduled_for from policy_runs order by scheduled_for")
    # On the spring day 02:30 is skipped: it runs at 03:00, and 03:30 is a slot of its own.
    assert [fire.at for fire in planned.coming.fires] == [instant(at) for (at,) in ran]
    assert len(ran) == 3
    assert [fire.local.day for fire in planned.coming.fires if fire.skipped or fire.repeated] == [
        (day + DAY).day
    ]


def test_a_slot_that_nobody_took_yet_is_shown_as_due(table):
    table.policy()
    table.now = MIDNIGHT + 3 * HOUR + MINUTE
    (planned,) = shown(table, days=1).planned
    assert planned.coming.due == MIDNIGHT + 3 * HOUR
    assert [fire.at for fire in planned.coming.fires] == [MIDNIGHT + 27 * HOUR]


def test_of_many_missed_slots_the_one_that_makes_up_for_them_is_due_and_none_that_is_too_old(table):
    table.policy("hourly", schedule='"0 * * * *"')
    table.policy("soon-too-late", catch_up="2h")
    table.now = MIDNIGHT + 9 * HOUR + MINUTE
    hourly, late = shown(table, days=1).planned
    assert hourly.coming.due == MIDNIGHT + 9 * HOUR
    assert late.coming.due is None
    table.tick()
    assert {row for row in table.runs() if row[1] == "syncing"} == {("04 09:00", "syncing", None)}


def test_a_paused_policy_has_no_run_and_a_keep_or_retired_one_is_not_shown(table):
    for name in ("active", "paused", "retired"):
        table.policy(name)
    gone = dict.fromkeys(("schedule", "mode", "grace", "delete", "limits"))
    table.policy("keep", action="keep", **gone)
    for state in ("paused", "retired"):
        table.sql("update policies set state = :state where name = :state", state=state)
    active, paused = shown(table).planned
    assert (len(active.coming.fires), paused.stored.state, paused.coming) == (7, "paused", None)


def test_the_first_run_beyond_the_days_asked_for_is_known(table):
    table.policy(schedule='"0 0 29 2 *"')
    (planned,) = shown(table, "old").planned
    assert planned.coming.fires == ()
    assert planned.coming.beyond.at == datetime(2028, 2, 29, tzinfo=UTC)


def test_it_is_known_whether_anybody_looks_and_whether_all_is_stopped(table):
    table.policy()
    before = shown(table)
    table.tick()
    ticking = shown(table)
    with table.context() as context:
        stopping.stop(Ledger(context), reason="an audit")
    table.now += 3 * MINUTE
    silent = shown(table)
    assert (before.attended, ticking.attended, silent.attended) == (False, True, False)
    assert (ticking.stopped, silent.stopped.actor) == (None, "tester")


def test_a_name_that_is_not_stored_is_refused(table):
    table.policy()
    with pytest.raises(UsageError, match="no delete policy is named nope"):
        shown(table, "nope")
