"""Incidents: what people are told of, when, and when it is over. Pure: rows and conditions in, decisions out.

An incident begins when something is wrong and ends when it has not been wrong for a while, so that what comes and goes is
one incident and not twenty messages. Each beginning is told once, and so is its end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

MAX_WAIT = timedelta(hours=1)
_FIRST_WAIT = timedelta(minutes=1)


class Kind(StrEnum):
    """What can be wrong, in the order in which it is told."""

    APPROVAL = "approval"
    """A run awaits somebody's decision. One incident each: runs never come back."""
    STOPPED = "stopped"
    """All deleting is stopped, and perhaps forgotten."""
    BLOCKED = "blocked"
    """A number cannot be used at all."""
    STALE = "stale"
    """What is known of a number is too old to delete by."""
    FAILURES = "failures"
    """Chats of a policy failed for good within the last day."""
    RUN_FAILED = "run_failed"
    """A policy's newest run failed."""
    DEBT = "debt"
    """Chats of a number were removed here a day ago or longer, and not provably in WhatsApp."""
    SILENT = "silent"
    """A part of the service gives no sign of life."""


PATIENCE: Mapping[Kind, timedelta] = {
    Kind.STOPPED: timedelta(days=1),
    Kind.BLOCKED: timedelta(minutes=5),
    # It counts from when the number was good last. One that is new has as long for its first reading.
    Kind.STALE: timedelta(hours=6),
    # A part that starts a little later than the others is no incident.
    Kind.SILENT: timedelta(minutes=5),
}
"""How long it must have been so before it is told; at once otherwise."""

_CALM = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now. `since`: None when only we can tell, by seeing it; `detail`: what its message needs."""

    kind: Kind
    of: int | str
    detail: Mapping[str, Any]
    since: datetime | None = None

    @property
    def key(self) -> str:
        """By which it is the same incident from look to look."""
        return f"{self.kind}:{self.of}"


@dataclass(frozen=True, slots=True)
class Incident:
    """A stored one. `closed_at`: since when it is not wrong any more."""

    key: str
    kind: Kind
    opened_at: datetime
    told_at: datetime | None
    closed_at: datetime | None
    tries: int
    next_try_at: datetime | None
    detail: Mapping[str, Any]


class Step(StrEnum):
    """What becomes of an incident at one look."""

    STAY = "stay"
    CLOSE = "close"
    REOPEN = "reopen"
    FORGET = "forget"
    TELL = "tell"
    """Its beginning, or, of one that is closed, its end."""


def calm(kind: Kind) -> timedelta:
    """How long it must not be wrong for it to be over."""
    return timedelta(0) if kind is Kind.APPROVAL else _CALM


def step(incident: Incident, *, wrong: bool, now: datetime) -> Step:
    """What becomes of it, given whether it is wrong now."""
    if incident.closed_at is None:
        if wrong:
            patience = PATIENCE.get(incident.kind, timedelta(0))
            due = incident.told_at is None and now - incident.opened_at >= patience
            return Step.TELL if due and _may_try(incident, now) else Step.STAY
        # One that somebody may be telling just now is kept: if they succeed, its end has to be told.
        return Step.FORGET if incident.told_at is None and not incident.tries else Step.CLOSE
    over = now - incident.closed_at >= calm(incident.kind)
    if not over:
        return Step.REOPEN if wrong else Step.STAY
    if incident.told_at is None:
        return Step.FORGET
    # Wrong again or not, its end comes first: what is wrong now is another incident then.
    return Step.TELL if _may_try(incident, now) else Step.STAY


def next_try(tries: int, *, now: datetime) -> datetime:
    """When the telling is tried again that begins now, after so many that failed; longer than one takes."""
    return now + min(_FIRST_WAIT * (1 << min(tries, 10)), MAX_WAIT)


def _may_try(incident: Incident, now: datetime) -> bool:
    # One too far in the future was written by a clock that ran ahead.
    at = incident.next_try_at
    return at is None or at <= now or at - now > MAX_WAIT
