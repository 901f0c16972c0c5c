"""A schedule as a person says it."""

import re

_MOST_NAMED = 6
"""Times of a day, or dates of a month, that are still read at a glance."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def words(expr: str, zone: str) -> str:
    """`every day at 03:00 Europe/Madrid`; what has no short sentence is shown as it is written."""
    minute, hour, day, month, weekday = expr.split()
    days, times = _days(day, weekday, month), _times(minute, hour)
    if not (days and times):
        return f"at {expr} {zone}"
    if times.startswith("every"):
        return f"{times} {zone}" if days == "every day" else f"{days}, {times} {zone}"
    return f"{days} at {times} {zone}"


def _times(minute: str, hour: str) -> str:
    """The times of a day, if they are few or follow a plain rhythm."""
    minutes = _listed(minute, 0, 59)
    if hour == "*":
        if step := re.fullmatch(r"\*/(15|20|30)", minute):
            return f"every {step[1]} minutes"
        return f"every hour at minute {_and([str(each) for each in minutes])}"
    times = [f"{hour:02}:{minute:02}" for hour in _listed(hour, 0, 23) for minute in minutes]
    return _and(times) if len(times) <= _MOST_NAMED else ""


def _days(day: str, weekday: str, month: str) -> str:
    """The days of a year, if they are few. A day and a weekday together mean either."""
    months = "" if month == "*" else _and([_MONTHS[number - 1] for number in _listed(month, 1, 12)])
    if day == weekday == "*":
        return f"every day of {months}" if months else "every day"
    if day == "*":
        return _weekdays(weekday) + (f" of {months}" if months else "")
    dates = _listed(day, 1, 31)
    if len(dates) > _MOST_NAMED:
        return ""
    found = f"on day {_and([str(date) for date in dates])} of {months or 'every month'}"
    if weekday == "*":
        return found
    return f"{found} and {_weekdays(weekday)}{' of it' if months else ''}"


def _weekdays(text: str) -> str:
    if re.fullmatch("[0-7]-[0-7]", text):
        return f"{_WEEKDAYS[int(text[0])]} to {_WEEKDAYS[int(text[2])]}"
    names = dict.fromkeys(_WEEKDAYS[number] for number in _listed(text, 0, 7))
    return f"every {_and(list(names))}"


def _listed(field: str, low: int, high: int) -> list[int]:
    """The numbers that a field names, in order."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        whole = range(low, high + 1) if span == "*" else range(int(first), int(last or first) + 1)
        found.update(whole[:: int(step or 1)])
    return sorted(found)


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
