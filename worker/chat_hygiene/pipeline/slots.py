"""The slots of a policy's schedule that came due since somebody last looked: which one runs, and what becomes of the rest. Pure."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chat_policies import Policy, next_fire

MOST_ROWS = 200
"""Of skipped slots, the newest ones; a year's outage is not a table of its own."""


@dataclass(frozen=True, slots=True)
class Slots:
    """What came due.

    Attributes:
        run: the slot to run now, the newest one; None when even that is past the catch-up window.
        coalesced: earlier slots inside the window, which `run` makes up for, oldest first.
        missed: slots beyond it, which nothing makes up for, oldest first.
        further: how many older ones than these there were.
        upcoming: when the schedule fires next.
    """

    run: datetime | None
    coalesced: tuple[datetime, ...]
    missed: tuple[datetime, ...]
    further: int
    upcoming: datetime


def came_due(policy: Policy, since: datetime, *, catch_up: timedelta, now: datetime) -> Slots:
    """The slots from `since`, itself one, to `now`, which is not before it; those older than `catch_up` are missed."""
    newest: deque[datetime] = deque(maxlen=MOST_ROWS + 1)
    count = 0
    for slot in _fires(policy, since):
        if slot > now:
            break
        newest.append(slot)
        count += 1
    inside = [at for at in newest if now - at <= catch_up]
    return Slots(
        run=inside[-1] if inside else None,
        coalesced=tuple(inside[:-1]),
        missed=tuple(at for at in newest if now - at > catch_up),
        further=count - len(newest),
        upcoming=slot,
    )


def _fires(policy: Policy, since: datetime) -> Iterator[datetime]:
    assert policy.schedule is not None  # noqa: S101 - every delete policy has one
    while True:
        yield since
        since = next_fire(policy.schedule, policy.timezone, since)
