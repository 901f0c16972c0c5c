from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chat_policies import next_fire
from chat_policies.schedule import check, check_expression, fires
from chat_policies.schedule_words import words
from integration.policies.profiles import cases
from support.wallclock import minutes, pieces, walk

ZONES = sorted(available_timezones())
DAY = timedelta(days=1)


def spelt(expr, zone, start, number):
    found = [start]
    for _ in range(number):
        found.append(next_fire(expr, zone, found[-1]))
    return [f"{instant:%m-%d %H:%M}" for instant in found[1:]]


def test_a_local_time_that_the_clock_skips_fires_once_right_after_the_gap():
    # 31 March 2024, Madrid: 02:00 becomes 03:00, which is 01:00 UTC.
    assert spelt("30 2 * * *", "Europe/Madrid", datetime(2024, 3, 30, 1, 30, tzinfo=UTC), 2) == [
        "03-31 01:00",
        "04-01 00:30",
    ]


def test_a_local_time_that_occurs_twice_fires_once_the_first_time():
    # 27 October 2024, Madrid: 03:00 becomes 02:00 again; 02:30 is 00:30 and 01:30 UTC.
    assert spelt("30 2 * * *", "Europe/Madrid", datetime(2024, 10, 26, 0, 30, tzinfo=UTC), 2) == [
        "10-27 00:30",
        "10-28 01:30",
    ]


def test_asked_in_the_hour_that_occurs_again_it_names_a_later_instant():
    # 02:10 for the second time.
    assert spelt("30 2 * * *", "Europe/Madrid", datetime(2024, 10, 27, 1, 10, tzinfo=UTC), 1) == [
        "10-28 01:30"
    ]


def test_fires_inside_a_gap_become_one():
    assert spelt("*/15 * * * *", "Europe/Madrid", datetime(2024, 3, 31, 0, 30, tzinfo=UTC), 4) == [
        "03-31 00:45",
        "03-31 01:00",
        "03-31 01:15",
        "03-31 01:30",
    ]


def test_a_day_that_a_zone_leaves_out_fires_when_the_next_one_begins():
    # Samoa had no 30 December 2011.
    assert spelt("0 12 30 12 *", "Pacific/Apia", datetime(2011, 6, 1, tzinfo=UTC), 2) == [
        "12-30 10:00",
        "12-29 22:00",
    ]


@pytest.mark.parametrize(
    ("zone", "expr", "day", "expected"),
    [
        # Days that a zone leaves out at the date line: 21 August 1993, 30 December 2011, 31 December 1994.
        ("Pacific/Kwajalein", "0 3 21 8 *", "1993-08-20", "1993-08-21 12:00"),
        ("Pacific/Apia", "0 12 * * 5", "2011-12-29", "2011-12-30 10:00"),
        ("Pacific/Kiritimati", "0 0 31 * *", "1994-12-30", "1994-12-31 10:00"),
        # Gaps at midnight: the day begins at 01:00.
        ("Asia/Beirut", "0 0 31 3 *", "2024-03-30", "2024-03-30 22:00"),
        ("Africa/Cairo", "30 0 * * 5", "2024-04-25", "2024-04-25 22:00"),
        ("America/Santiago", "15 0 * * 0", "2024-09-07", "2024-09-08 04:00"),
        ("America/Havana", "0 0 10 3 *", "2024-03-09", "2024-03-10 05:00"),
        # Gaps of half an hour, of two hours, of 15 minutes, of 44 minutes and a half, and one that ends at midnight.
        ("Australia/Lord_Howe", "10 2 * * 0", "2024-10-05", "2024-10-05 15:30"),
        ("America/Caracas", "45 2 1 5 *", "2016-04-30", "2016-05-01 07:00"),
        ("Antarctica/Troll", "30 1 31 3 *", "2024-03-30", "2024-03-31 01:00"),
        ("Asia/Kathmandu", "0 0 1 1 *", "1985-12-31", "1985-12-31 18:30"),
        ("Africa/Monrovia", "15 0 7 1 *", "1972-01-06", "1972-01-07 00:44:30"),
        ("Asia/Pyongyang", "45 23 4 5 *", "2018-05-03", "2018-05-04 15:00"),
        ("America/Nuuk", "30 23 30 3 *", "2024-03-29", "2024-03-31 01:00"),
        # Twice: half an hour, and three hours that reach back into the day before.
        ("Australia/Lord_Howe", "45 1 7 4 *", "2024-04-06", "2024-04-06 14:45"),
        ("Antarctica/Casey", "0 0 5 3 *", "2010-03-04", "2010-03-04 13:00"),
        ("Antarctica/Casey", "30 23 4 3 *", "2010-03-03", "2010-03-04 12:30"),
    ],
)
def test_the_oddest_changes_of_a_clock(zone, expr, day, expected):
    start, instant = (datetime.fromisoformat(at).replace(tzinfo=UTC) for at in (day, expected))
    check(expr, zone)
    found = list(takewhile(lambda fire: fire.at < start + 3 * DAY, fires(expr, zone, start)))
    assert [fire.at for fire in found] == [instant]
    assert found[0].skipped != found[0].repeated, "it is not said what the clock did"


def test_of_a_moved_fire_it_is_known_which_local_time_was_meant():
    (fire,) = takewhile(
        lambda fire: fire.at < datetime(2024, 4, 1, tzinfo=UTC),
        fires("30 2 31 3 *", "Europe/Madrid", datetime(2024, 3, 31, tzinfo=UTC)),
    )
    assert f"{fire.wanted:%H:%M} {fire.local:%H:%M %z} {fire.at:%H:%M %z}" == "02:30 03:00 +0200 01:00 +0000"


def part(low, high):
    spans = (
        st.tuples(st.integers(low, high), st.integers(low, high))
        .map(sorted)
        .filter(lambda two: two[0] < two[1])
    )
    steps = st.integers(1, high)
    return st.one_of(
        st.integers(low, high).map(str),
        st.builds(lambda span: f"{span[0]}-{span[1]}", spans),
        st.builds(lambda span, step: f"{span[0]}-{span[1]}/{step}", spans, steps),
        st.builds(lambda step: f"*/{step}", steps),
    )


def field(low, high):
    return st.just("*") | st.lists(part(low, high), min_size=1, max_size=3).map(",".join)


MINUTES = st.sampled_from(("0", "59", "*/15", "0,30", "7-59/20")) | st.integers(0, 59).map(str) | field(0, 59)
EXPRESSIONS = st.tuples(MINUTES, field(0, 23), field(1, 31), field(1, 12), field(0, 7)).map(" ".join)


@cases(150)
@given(EXPRESSIONS, st.sampled_from(ZONES), st.integers(1972, 2040), st.data())
def test_fires_come_in_order_and_none_is_left_out(expr, name, year, data):
    legal(expr)
    zone = ZoneInfo(name)
    changes = pieces(zone, datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))
    near = data.draw(st.sampled_from([change.start for change in changes]))
    start = near + data.draw(st.timedeltas(-2 * DAY, DAY))
    end = start + 3 * DAY
    named = minutes(expr, start.date() - 3 * DAY, end.date() + 3 * DAY)
    # The walk begins a day before: a local time may have been met when it first occurred.
    expected = [at for at in walk(named, pieces(zone, start - DAY, end), end) if at > start]
    found = [fire.at for fire in takewhile(lambda fire: fire.at < end, fires(expr, name, start))]
    assert found == expected
    assert all(sooner < later for sooner, later in pairwise([start, *found]))
    steps = [next_fire(expr, name, at) for at in [start, *found[:20]]]
    assert steps[: len(found)] == found[: len(steps)], "asked anew after each fire, the answers are others"


def legal(expr):
    try:
        check_expression(expr)
    except ValueError:
        assume(False)


@cases(150)
@given(EXPRESSIONS)
def test_what_is_accepted_leaves_15_minutes_on_the_wall_clock(expr):
    try:
        check_expression(expr)
        accepted = True
    except ValueError as refusal:
        assume("more often" in str(refusal))
        accepted = False
    named = minutes(expr, date(2023, 12, 31), date(2025, 12, 31))
    closest = min((later - sooner for sooner, later in pairwise(named)), default=1440)
    assert (closest >= 15) == accepted


@pytest.mark.parametrize(
    ("expr", "told"),
    [
        ("0 3 * * *", "every day at 03:00 Europe/Madrid"),
        ("30 4 * * 1-5", "Monday to Friday at 04:30 Europe/Madrid"),
        ("0 4 * * 0,3", "every Sunday and Wednesday at 04:00 Europe/Madrid"),
        ("0 1 1 * *", "on day 1 of every month at 01:00 Europe/Madrid"),
        ("5 * * * *", "every hour at minute 5 Europe/Madrid"),
        ("*/15 * * * *", "every 15 minutes Europe/Madrid"),
        ("0,30 * * * *", "every hour at minute 0 and 30 Europe/Madrid"),
        ("*/30 * * * 1-5", "Monday to Friday, every 30 minutes Europe/Madrid"),
        ("0 */6 * * *", "every day at 00:00, 06:00, 12:00 and 18:00 Europe/Madrid"),
        ("15,45 7-8 * * 7", "every Sunday at 07:15, 07:45, 08:15 and 08:45 Europe/Madrid"),
        ("0 1 1 1 *", "on day 1 of January at 01:00 Europe/Madrid"),
        ("0 1 1,15 3-5 *", "on day 1 and 15 of March, April and May at 01:00 Europe/Madrid"),
        ("0 1 13 * 5", "on day 13 of every month and every Friday at 01:00 Europe/Madrid"),
        ("0 1 13 2 5", "on day 13 of February and every Friday of it at 01:00 Europe/Madrid"),
        ("0 1 * 6 0", "every Sunday of June at 01:00 Europe/Madrid"),
        ("0 1 * 6 *", "every day of June at 01:00 Europe/Madrid"),
        ("*/20 0-6 * * *", "at */20 0-6 * * * Europe/Madrid"),
        ("0 1 * * */2", "every Sunday, Tuesday, Thursday and Saturday at 01:00 Europe/Madrid"),
    ],
)
def test_a_schedule_in_words(expr, told):
    check(expr, "Europe/Madrid")
    assert words(expr, "Europe/Madrid") == told


def test_a_zone_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="not a known time zone"):
        check("0 3 * * *", "Europe/Atlantis")
