"""The calendar: five plain cron fields in a zone, and the UTC instants at which they fire.

Cron is counted on the wall clock of the zone. A local time that the clock skips fires once, right after the gap; one
that occurs twice fires once, the first time. croniter does the maths, on naive local time only: with a zone it fires
twice in the autumn hour.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterBadDateError, croniter
from pydantic import AfterValidator

from chat_policies.messages import did_you_mean, refuse

SHORTEST = timedelta(minutes=15)
"""Between two fires, on the wall clock."""

LONGEST = 200
"""Characters of an expression."""

_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("weekday", 0, 7),
)
_SHAPE = 'five fields: minute hour day month weekday, like "0 3 * * *" for every day at 03:00'
# Any day of the week falls on any date within 28 years; from here, no century breaks the rhythm until 2100.
_START, _YEARS = datetime(2023, 12, 31), 29  # noqa: DTZ001 - wall clock


def check(expr: str, zone: str) -> None:
    """Raises a ValueError unless the schedule is plain, fires, and fires at most every 15 minutes in a known zone."""
    check_zone(zone)
    check_expression(expr)


def check_zone(zone: str) -> str:
    """The zone, if the tz database has it. Raises a refusal with the nearest name."""
    if zone not in _zones():
        raise refuse(
            "is not a known time zone", did_you_mean(zone, _zones()) or "write a name like Europe/Madrid"
        )
    return zone


@lru_cache(maxsize=1024)
def check_expression(expr: str) -> str:
    """The expression with single spaces, if it is plain, fires, and never twice in 15 minutes. Raises a refusal."""
    if len(expr) > LONGEST:
        raise refuse(f"is longer than {LONGEST} characters", _SHAPE)
    fields = re.split("[ \t]+", expr.strip(" \t"))
    if len(fields) != len(_FIELDS):
        raise refuse(f"must have exactly five fields, not {len(fields)}", _SHAPE)
    expr = " ".join(fields)
    for text, (name, low, high) in zip(fields, _FIELDS, strict=True):
        _check_field(text, name, low, high)
    if fields[2] != "*" and fields[4] != "*" and (fields[2] + fields[4]).count("*"):
        # cron programs disagree whether `*/2` is a star here: "and" to some, "or" to others.
        raise refuse(
            "restricts both day and weekday, one of them with a step", "list the days: 1,3,5 or 1-31/2"
        )
    try:
        first = _wall(expr, _START)
    except CroniterBadDateError:
        raise refuse("never fires: no such date exists", _SHAPE) from None
    if _too_often(fields, first):
        raise refuse("fires more often than every 15 minutes", "*/15 * * * * is the most that is allowed")
    return expr


@dataclass(frozen=True, slots=True)
class Fire:
    """One fire.

    Attributes:
        local: its instant, on the zone's clock.
        wanted: the local time that the schedule names, without a zone; the first, if the clock skips several.
    """

    local: datetime
    wanted: datetime

    @property
    def at(self) -> datetime:
        """Its instant, in UTC."""
        return self.local.astimezone(UTC)

    @property
    def skipped(self) -> bool:
        """Whether the clock skips the local time that the schedule names: it fires right after the gap."""
        return self.local.replace(tzinfo=None) != self.wanted

    @property
    def repeated(self) -> bool:
        """Whether its local time occurs twice: this is the first."""
        return self.local.replace(fold=1).utcoffset() != self.local.utcoffset()

    @property
    def moved(self) -> str:
        """What a change of the clock does to it, in words; empty: nothing."""
        if self.skipped:
            same_day = self.wanted.date() == self.local.date()
            named = f"{self.wanted:%H:%M}" if same_day else f"{self.wanted:%a %Y-%m-%d %H:%M}"
            return f"{named} does not exist that day: runs at {self.local:%H:%M}"
        if self.repeated:
            return f"{self.local:%H:%M} occurs twice: runs once, the first time"
        return ""


def fires(expr: str, zone: str, after: datetime) -> Iterator[Fire]:
    """Every fire strictly later than `after`, in order, without end: no instant twice."""
    place = ZoneInfo(zone)
    clock = croniter(expr, after.astimezone(place).replace(tzinfo=None), max_years_between_matches=_YEARS)
    while True:
        wanted = clock.get_next(datetime)
        instant = _instant(wanted, place)
        if instant > after:
            yield Fire(instant.astimezone(place), wanted)
            after = instant


def next_fire(expr: str, zone: str, after: datetime) -> datetime:
    """The first instant, in UTC, strictly later than `after` at which the schedule fires in the zone."""
    return next(fires(expr, zone, after)).at


Schedule = Annotated[str, AfterValidator(check_expression)]
Zone = Annotated[str, AfterValidator(check_zone)]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _check_field(text: str, name: str, low: int, high: int) -> None:
    for part in text.split(","):
        shape = re.fullmatch(r"(?:(\*)|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?", part)
        if not shape:
            named = re.search("[A-Za-z]", part)
            hint = "write days and months as numbers: 1-5 for MON-FRI" if named else _SHAPE
            raise refuse(f'has "{part[:20]}" as {name}, which is not plain cron', hint)
        star, first, last, step = shape.groups()
        if step and not star and not last:
            raise refuse(
                f'has "{part}" as {name}, a step without a range',
                f"write {first}-{high}/{step}, or {first} alone",
            )
        if any(value and not low <= int(value) <= high for value in (first, last)):
            raise refuse(f'has "{part}" as {name}, which goes from {low} to {high}', _SHAPE)
        if first and last and int(first) > int(last):
            raise refuse(
                f'has "{part}" as {name}, a range that runs backwards', f"write {first}-{high},{low}-{last}"
            )
        if first and last and int(first) == int(last):
            # croniter reads it as every value there is.
            raise refuse(f'has "{part}" as {name}, a range of one number', f"write {int(first)} alone")
        if step and not 1 <= int(step) <= high:
            raise refuse(f'has "{part}" as {name}, a step outside 1 to {high}', _SHAPE)


def _wall(expr: str, after: datetime) -> datetime:
    return croniter(expr, after, max_years_between_matches=_YEARS).get_next(datetime)  # type: ignore[no-any-return]


def _too_often(fields: list[str], first: datetime) -> bool:
    """Whether two fires are less than 15 minutes apart, on the wall clock.

    Fires of one hour repeat in every hour that fires, so one such hour tells. Only the last minute of an hour and the
    first of the next remain: within a day the hours of one day tell; over midnight, two days in a row must fire.
    """
    minute, hour, *days = fields
    hourly = _fires(f"{minute} * * * *", timedelta(hours=1))
    if any(later - sooner < SHORTEST for sooner, later in pairwise(hourly)):
        return True
    if hourly[0] + timedelta(hours=1) - hourly[-1] >= SHORTEST:
        return False
    daily = [fire.hour for fire in _fires(f"0 {hour} * * *", timedelta(days=1))]
    if any(later - sooner == 1 for sooner, later in pairwise(daily)):
        return True
    if not {0, 23} <= set(daily):
        return False
    dates = croniter(" ".join(["0", "0", *days]), first - timedelta(days=1), max_years_between_matches=_YEARS)
    before = dates.get_next(datetime)
    while before < _START + timedelta(days=_YEARS * 366):
        date = dates.get_next(datetime)
        if date - before == timedelta(days=1):
            return True
        before = date
    return False


def _fires(expr: str, span: timedelta) -> list[datetime]:
    """The fires of one span of the wall clock."""
    clock, found = croniter(expr, _START - timedelta(minutes=1)), []
    while (fire := clock.get_next(datetime)) < _START + span:
        found.append(fire)
    return found


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time: the first of two, or the end of the gap that skips it."""
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    # Skipped: read with the offset after the gap it lies before the change, read with the one before it lies behind.
    before, behind = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), instant
    offset = before.astimezone(zone).utcoffset()
    while behind - before > timedelta(seconds=1):
        middle = before + (behind - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            behind = middle
    return behind.replace(microsecond=0)
