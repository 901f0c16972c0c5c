from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st

from chat_policies import next_fire
from chat_policies.schedule import check, check_expression, words
from integration.policies.profiles import cases

ZONES = (
    "UTC", "Europe/Madrid", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca",
    "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo", "Asia/Tehran", "Pacific/Chatham", "Africa/Cairo",
)  # fmt: skip
NAMES = {
    "minute": range(60),
    "hour": range(24),
    "day": range(1, 32),
    "month": range(1, 13),
    "weekday": range(8),
}


def fires(expr, zone, start, number):
    found = [start]
    for _ in range(number):
        found.append(next_fire(expr, zone, found[-1]))
    return [f"{instant:%m-%d %H:%M}" for instant in found[1:]]


def test_a_local_time_that_the_clock_skips_fires_once_right_after_the_gap():
    # 31 March 2024, Madrid: 02:00 becomes 03:00, which is 01:00 UTC.
    assert fires("30 2 * * *", "Europe/Madrid", datetime(2024, 3, 30, 1, 30, tzinfo=UTC), 2) == [
        "03-31 01:00",
        "04-01 00:30",
    ]


def test_a_local_time_that_occurs_twice_fires_once_the_first_time():
    # 27 October 2024, Madrid: 03:00 becomes 02:00 again; 02:30 is 00:30 and 01:30 UTC.
    assert fires("30 2 * * *", "Europe/Madrid", datetime(2024, 10, 26, 0, 30, tzinfo=UTC), 2) == [
        "10-27 00:30",
        "10-28 01:30",
    ]


def test_asked_in_the_hour_that_occurs_again_it_names_a_later_instant():
    # 02:10 for the second time.
    assert fires("30 2 * * *", "Europe/Madrid", datetime(2024, 10, 27, 1, 10, tzinfo=UTC), 1) == [
        "10-28 01:30"
    ]


def test_fires_inside_a_gap_become_one():
    assert fires("*/15 * * * *", "Europe/Madrid", datetime(2024, 3, 31, 0, 30, tzinfo=UTC), 4) == [
        "03-31 00:45",
        "03-31 01:00",
        "03-31 01:15",
        "03-31 01:30",
    ]


def test_a_day_that_a_zone_leaves_out_fires_when_the_next_one_begins():
    # Samoa had no 30 December 2011.
    assert fires("0 12 30 12 *", "Pacific/Apia", datetime(2011, 6, 1, tzinfo=UTC), 2) == [
        "12-30 10:00",
        "12-29 22:00",
    ]


def numbers(field):
    return st.lists(st.sampled_from(NAMES[field]), min_size=1, max_size=3, unique=True).map(
        lambda found: ",".join(map(str, sorted(found)))
    )


EXPRESSIONS = st.builds(
    lambda *fields: " ".join(fields),
    st.sampled_from(("0", "59", "*/15", "0,30", "7-59/20")) | numbers("minute"),
    st.sampled_from(("*", "1-3", "0", "2", "*/6", "23,0")) | numbers("hour"),
    st.sampled_from(("*", "*", "1", "31", "29-31")),
    st.sampled_from(("*", "*", "3,10", "2-4")),
    st.sampled_from(("*", "*", "0", "7", "1-5")),
)


def scan(expr, zone, start, end):
    """The same by walking every minute of UTC and reading the wall clock: another program's cron says which minutes fire."""
    wall = CronSim(expr, start.astimezone(zone).replace(tzinfo=None) - timedelta(days=1))
    wanted, day_after = set(), end.astimezone(zone).replace(tzinfo=None) + timedelta(days=1)
    for fire in wall:
        if fire > day_after:
            break
        wanted.add(fire)
    found, seen = [], start.astimezone(zone).replace(tzinfo=None) - timedelta(minutes=1)
    instant = start
    while instant < end:
        local = instant.astimezone(zone).replace(tzinfo=None)
        # What the clock passed since the latest local time so far: one minute, none, or a gap.
        minutes = int((local - seen) / timedelta(minutes=1))
        if any(seen + timedelta(minutes=n) in wanted for n in range(1, minutes + 1)):
            found.append(instant)
        seen = max(seen, local)
        instant += timedelta(minutes=1)
    return found


@cases(60)
@given(EXPRESSIONS, st.sampled_from(ZONES), st.integers(2010, 2030), st.data())
def test_it_fires_as_a_walk_along_the_wall_clock_does(expr, name, year, data):
    zone = ZoneInfo(name)
    try:
        CronSim(expr, datetime(2024, 1, 1))  # noqa: DTZ001
        check_expression(expr)
    except ValueError:
        assume(False)
    days = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(365)]
    changes = [
        day for day, next_day in pairwise(days) if zone_offset(day, zone) != zone_offset(next_day, zone)
    ]
    start = data.draw(st.sampled_from(changes or days)) - timedelta(hours=24)
    end = start + timedelta(hours=72)
    found, instant = [], start - timedelta(seconds=1)
    while (instant := next_fire(expr, name, instant)) < end:
        found.append(instant)
    assert found == scan(expr, zone, start, end)


def zone_offset(instant, zone):
    return instant.astimezone(zone).utcoffset()


@cases(150)
@given(EXPRESSIONS)
def test_what_is_accepted_leaves_15_minutes_on_the_wall_clock(expr):
    try:
        check_expression(expr)
        accepted = True
    except ValueError as refusal:
        assume("more often" in str(refusal))
        accepted = False
    start = datetime(2023, 12, 31, 23)  # noqa: DTZ001
    gaps = []
    simulated = CronSim(expr, start)
    fire = next(simulated)
    while len(gaps) < 800 and fire < start + timedelta(days=2000):
        last, fire = fire, next(simulated)
        gaps.append(fire - last)
    assert (min(gaps) >= timedelta(minutes=15)) == accepted


@pytest.mark.parametrize(
    ("expr", "told"),
    [
        ("0 3 * * *", "every day at 03:00 Europe/Madrid"),
        ("30 4 * * 1-5", "Monday to Friday at 04:30 Europe/Madrid"),
        ("0 4 * * 0,3", "every Sunday and Wednesday at 04:00 Europe/Madrid"),
        ("0 1 1 * *", "on day 1 of every month at 01:00 Europe/Madrid"),
        ("5 * * * *", "every hour at minute 5 Europe/Madrid"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0 1 1 1 *", "at 0 1 1 1 * Europe/Madrid"),
        ("0 1 1 * 1", "at 0 1 1 * 1 Europe/Madrid"),
    ],
)
def test_a_schedule_in_words(expr, told):
    check(expr, "Europe/Madrid")
    assert words(expr, "Europe/Madrid") == told


def test_a_zone_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="not a known time zone"):
        check("0 3 * * *", "Europe/Atlantis")
