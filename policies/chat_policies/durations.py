"""Durations as a policy writes them: `30d`, `12h`, `2w`. Exact lengths only, so no months and no years."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from chat_policies.messages import refuse

PATTERN = r"^[1-9][0-9]*[hdw]$"
LONGEST = timedelta(days=3650)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_EXAMPLES = "write whole hours, days or weeks: 12h, 30d, 2w"
_NEAR_MISSES = (
    (r"0+[hdw]?", "must be longer than zero", _EXAMPLES),
    (r"-.*", "must be longer than zero, not negative", _EXAMPLES),
    (r"[0-9]+", "is a number without its unit", "write 30d for thirty days"),
    (r"[0-9]+ ?(mo|mon|months?|M)", "is not a duration: months differ in length", "write 30d for a month"),
    (r"[0-9]+ ?(y|yr|years?|Y)", "is not a duration: years differ in length", "write 365d for a year"),
    (
        r"[0-9]+ ?(m|min|minutes?|s|sec|seconds?)",
        "is too short a unit for retention",
        "the shortest duration is 1h",
    ),
)


def parse(value: object) -> timedelta:
    """`30d` to a timedelta of 1 h to 3650 d. Raises a refusal that says which rule is broken."""
    text = value if isinstance(value, str) else str(value)
    if not isinstance(value, str) or not re.fullmatch(PATTERN, text):
        near = (miss[1:] for miss in _NEAR_MISSES if re.fullmatch(miss[0], text))
        raise refuse(*next(near, ("is not a duration", _EXAMPLES)))
    # More digits than the longest duration has would only cost time.
    if len(text) > 8 or (length := int(text[:-1]) * _UNITS[text[-1]]) > LONGEST:
        raise refuse("is too long a duration", "the longest is 3650d, ten years")
    return length


def spell(length: timedelta) -> str:
    """The one spelling of a duration: `30d`, or `12h` when it is not whole days."""
    hours, days = length // _UNITS["h"], length // _UNITS["d"]
    return f"{days}d" if length == days * _UNITS["d"] else f"{hours}h"


def words(length: timedelta) -> str:
    """`30 d or more`; a length that no policy can spell is told in seconds."""
    if length % _UNITS["h"]:
        return f"{length.total_seconds():g} s or more"
    return f"{spell(length)[:-1]} {spell(length)[-1]} or more"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse),
    PlainSerializer(spell, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": PATTERN, "description": "Whole hours, days or weeks: 12h, 30d, 2w"}
    ),
]
