"""An independent calendar: five cron fields read by plain arithmetic on a zone's wall clock.

It shares nothing with the product, croniter or cronsim: what it knows of a zone is only the offset at an instant. A wall
clock is a row of pieces between the zone's changes; along it each minute is met once, and the minutes that a change
jumps over are met together, at the change.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

SECOND = timedelta(seconds=1)
PROBE = timedelta(hours=6)
FIRST_DAY = date(1970, 1, 1).toordinal()


class Piece(NamedTuple):
    """From `start` (UTC) on the clock is `offset` ahead of UTC."""

    start: datetime
    offset: timedelta


def pieces(zone, start: datetime, end: datetime) -> tuple[Piece, ...]:
    """The clock of a zone between two instants."""
    found, at = [Piece(start, _offset(zone, start))], start
    while at < end:
        later = min(at + PROBE, end)
        if (offset := _offset(zone, later)) != found[-1].offset:
            found.append(Piece(_change(zone, at, later), offset))
            assert _offset(zone, found[-1].start) == offset, "the clock changes twice within hours"
        at = later
    return tuple(found)


def cut(clock: tuple[Piece, ...], start: datetime, end: datetime) -> tuple[Piece, ...]:
    """The part of a clock between two instants."""
    before = [piece for piece in clock if piece.start <= start]
    return (Piece(start, before[-1].offset), *(piece for piece in clock if start < piece.start < end))


def _offset(zone, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset()


def _change(zone, before: datetime, behind: datetime) -> datetime:
    old = _offset(zone, before)
    while behind - before > SECOND:
        middle = before + (behind - before) // 2 // SECOND * SECOND
        before, behind = (middle, behind) if _offset(zone, middle) == old else (before, middle)
    # Zones change at whole seconds.
    return behind.replace(microsecond=0)


def minutes(expr: str, first: date, last: date) -> list[int]:
    """The minutes of the wall clock, counted from 1970, that an expression names from one day to another."""
    minute, hour, day, month, weekday = expr.split()
    days, months = _numbers(day, 1, 31), _numbers(month, 1, 12)
    weekdays = {number % 7 for number in _numbers(weekday, 0, 7)}
    times = [60 * h + m for h in sorted(_numbers(hour, 0, 23)) for m in sorted(_numbers(minute, 0, 59))]
    found = []
    for number in range(first.toordinal(), last.toordinal() + 1):
        today = date.fromordinal(number)
        by_day, by_weekday = today.day in days, number % 7 in weekdays
        # Two restrictions widen each other; a star restricts nothing.
        either = day != "*" and weekday != "*"
        if today.month in months and ((by_day or by_weekday) if either else (by_day and by_weekday)):
            found += [1440 * (number - FIRST_DAY) + time for time in times]
    return found


def _numbers(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return found


def walk(named: list[int], clock: tuple[Piece, ...], end: datetime) -> list[datetime]:
    """Every instant at which a walk along the wall clock meets a named minute that it has not met before."""
    found: list[datetime] = []
    met = _minute(clock[0].start, clock[0].offset)
    for piece, following in pairwise([*clock, Piece(end, timedelta(0))]):
        begins = _minute(piece.start, piece.offset)
        if _any(named, met, begins):
            # Jumped over: met where the clock goes on.
            found.append(piece.start)
        origin = datetime(1970, 1, 1, tzinfo=UTC) - piece.offset
        stop = _minute(following.start, piece.offset)
        ahead = named[bisect_left(named, max(met, begins)) : bisect_left(named, stop)]
        for minute in ahead:
            instant = origin + timedelta(minutes=minute)
            if not found or instant > found[-1]:
                found.append(instant)
        met = max(met, stop)
    return found


def _minute(instant: datetime, offset: timedelta) -> float:
    return (instant + offset - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(minutes=1)


def _any(named: list[int], start: float, end: float) -> bool:
    return bisect_left(named, start) < bisect_left(named, end)
