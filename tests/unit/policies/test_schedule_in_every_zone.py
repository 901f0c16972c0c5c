"""The calendar against an independent walk along the wall clock, in every zone of the tz database.

The years: 2011 has the most and the oddest changes of any recent one (Samoa and Tokelau leave out a day, Casey jumps by
hours, Troll by two, Egypt, Morocco and Gaza change several times); 2024 is a leap year that is over, so its changes stand
in the database one by one; 2028 is a leap year to come, whose changes follow from rules.

Zones whose clocks show the same all year are one case; that they are is tested too. Schedules that fire several times a
day are followed for a whole year in one zone each year, and in the others for two days around each change and around
the year's ends.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest
from cronsim import CronSim

from chat_policies.schedule import check, fires, next_fire
from support.wallclock import cut, minutes, pieces, walk

ZONES = sorted(available_timezones())
YEARS = {2011: "Pacific/Apia", 2024: "Europe/Madrid", 2028: "Australia/Lord_Howe"}
IN_A_GAP, IN_AN_OVERLAP, AT_MIDNIGHT = "30 2 * * *", "30 1 * * *", "15 0 * * 0,5,6"
SPARSE = (IN_A_GAP, IN_AN_OVERLAP, AT_MIDNIGHT, "0 0 31 * *", "0 0 29 2 *")
DENSE = ("0 * * * *", "*/15 * * * *", "10-50/20 0-4/2 * * *")
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@cache
def clocks(year):
    """Zones by what their clocks show all year."""
    found = defaultdict(list)
    for name in ZONES:
        found[pieces(ZoneInfo(name), *span(year))].append(name)
    return dict(found)


def span(year):
    return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)


@cache
def named(expr, year):
    return minutes(expr, date(year - 1, 12, 25), date(year + 1, 1, 6))


def fired(expr, zone, start, end):
    return [fire.at for fire in takewhile(lambda fire: fire.at < end, fires(expr, zone, start - SECOND))]


def walked(expr, clock, year, start, end):
    # From a day before: a local time may have been met when it first occurred.
    begin = max(start - DAY, span(year)[0])
    return [at for at in walk(named(expr, year), cut(clock, begin, end), end) if at >= start]


def windows(clock, year):
    start, end = span(year)
    yield start, start + DAY
    for change in clock[1:]:
        yield max(start, change.start - DAY), min(end, change.start + DAY)
    yield end - DAY, end


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("expr", SPARSE)
def test_in_every_zone_each_local_slot_of_a_year_fires_once(expr, year):
    start, end = span(year)
    check(expr, "UTC")
    for clock, names in clocks(year).items():
        assert fired(expr, names[0], start, end) == walked(expr, clock, year, start, end), (
            f"{expr} in {', '.join(names)}"
        )


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("expr", DENSE)
def test_in_every_zone_a_change_of_the_clock_takes_or_adds_no_slot(expr, year):
    check(expr, "UTC")
    for clock, names in clocks(year).items():
        whole = [span(year)] if YEARS[year] in names else windows(clock, year)
        for start, end in whole:
            assert fired(expr, names[0], start, end) == walked(expr, clock, year, start, end), (
                f"{expr} in {', '.join(names)} from {start}"
            )


@pytest.mark.parametrize("year", YEARS)
def test_zones_that_are_one_case_fire_alike(year):
    start, _ = span(year)
    assert sum(map(len, clocks(year).values())) == len(ZONES) > 500
    for clock, (first, *others) in clocks(year).items():
        around = [change.start - HOUR for change in clock[1:]] or [start]
        expected = [next_fire(expr, first, at) for expr in SPARSE + DENSE for at in around]
        for name in others:
            answers = [next_fire(expr, name, at) for expr in SPARSE + DENSE for at in around]
            assert answers == expected, f"{name} does not fire as {first} does"


@pytest.mark.parametrize("year", YEARS)
def test_the_schedules_meet_gaps_and_overlaps(year):
    """Else the proof would be empty."""
    daily = (IN_A_GAP, IN_AN_OVERLAP, AT_MIDNIGHT)
    skipped, repeated = set(), set()
    for clock, names in clocks(year).items():
        ends_of_gaps = [now.start for last, now in pairwise(clock) if now.offset > last.offset]
        for change in clock[1:]:
            for expr in daily:
                fire = next(fires(expr, names[0], change.start - HOUR - SECOND))
                if fire.skipped:
                    skipped.add(expr)
                    assert fire.at in ends_of_gaps, f"{expr} in {names[0]}: {fire} is at no gap's end"
                if fire.repeated:
                    repeated.add(expr)
    assert skipped == repeated == set(daily)


DIFFERENCES = {
    "again": "it fires in both passes of an hour that occurs twice; we, in the first",
    "lost": "it does not make up for what a gap skips; we do, right after the gap",
}
"""How cronsim, which follows Debian's cron, differs on purpose: where minute or hour begin with a star."""


@pytest.mark.parametrize("year", YEARS)
def test_another_program_differs_only_where_it_means_to(year):
    seen = set()
    for clock, names in clocks(year).items():
        zone = ZoneInfo(names[0])
        for last, change in pairwise(clock):
            step = change.offset - last.offset
            start, end = change.start - 6 * HOUR, change.start + 12 * HOUR
            for expr in SPARSE + DENSE:
                ours = fired(expr, names[0], start, end)
                theirs = simulated(expr, zone, start, end)
                star = any(field.startswith("*") for field in expr.split()[:2])
                assert sorted(set(theirs)) == theirs, f"{expr} in {names[0]}: cronsim says {theirs}"
                for instant in set(ours) ^ set(theirs):
                    second_pass = change.start <= instant < change.start - step
                    if star and instant in theirs and second_pass:
                        seen.add("again")
                    elif star and instant in ours and instant == change.start and step > timedelta(0):
                        seen.add("lost")
                    else:
                        pytest.fail(f"{expr} in {names[0]} at {instant}: cronsim {theirs}, we {ours}")
    assert seen == DIFFERENCES.keys(), "a difference that was reviewed is no longer there"


def simulated(expr, zone, start, end):
    instants = (fire.astimezone(UTC) for fire in CronSim(expr, (start - SECOND).astimezone(zone)))
    return list(takewhile(lambda at: at < end, instants))
