"""Numbers and lengths of time as a person reads them."""

from datetime import timedelta


def span(value: timedelta) -> str:
    """A length of time in its largest unit: `40 s`, `12 min`, `3 h`, `5 d`."""
    seconds = max(0, int(value.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 chat`, `2 chats`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
