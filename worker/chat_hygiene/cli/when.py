"""How a person names an instant to come: a day, an instant, or a length of time from now."""

import re
from datetime import UTC, date, datetime, time, timedelta

from chat_hygiene.core.errors import UsageError

FORMS = "2026-12-24 (the end of that day, UTC), 2026-12-24T09:00+01:00 (UTC without a zone), or 30d from now"


def parse(text: str, *, now: datetime) -> datetime:
    """The instant that `text` names. Raises UsageError unless it lies in the next ten years."""
    from chat_policies import durations

    at = _read(text, now)
    if at <= now:
        raise UsageError(f"{text} is past: it is {now:%Y-%m-%d %H:%M} UTC now", fix="name an instant to come")
    if at - now > durations.LONGEST:
        raise UsageError(f"{text} is more than ten years ahead", fix="name an instant before that")
    return at


def _read(text: str, now: datetime) -> datetime:
    if re.fullmatch(r"\+?[0-9]+ ?[A-Za-z]+", text):
        return now + _length(text.removeprefix("+"))
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text} is no instant", fix=f"write {FORMS}") from None


def _length(text: str) -> timedelta:
    from pydantic_core import PydanticCustomError

    from chat_policies import durations

    try:
        return durations.parse(text)
    except PydanticCustomError as error:
        context = error.context or {}
        raise UsageError(f"{text} {context.get('message')}", fix=str(context.get("hint"))) from None
