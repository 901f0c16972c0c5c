"""The slots of a policy's schedule: which of those that came due runs, what becomes of the rest, and what is to come. Pure."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from chat_policies import Fire, Policy, fires

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
    for slot in chain([since], (fire.at for fire in _fires(policy, since))):
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


@dataclass(frozen=True, slots=True)
class Coming:
    """What is to come.

    Attributes:
        due: the slot that came and that no tick has taken yet; the next one runs it.
        fires: those after it inside the time asked for.
        beyond: the first one later than that.
    """

    due: datetime | None
    fires: tuple[Fire, ...]
    beyond: Fire


def coming(
    policy: Policy, planned: datetime, *, catch_up: timedelta, now: datetime, until: datetime
) -> Coming:
    """The slots before `until`, as ticks will take them; `planned` is the one that is next by the policy's row."""
    due = None
    if planned <= now:
        slots = came_due(policy, planned, catch_up=catch_up, now=now)
        due, planned = slots.run, slots.upcoming
    ahead, inside = _fires(policy, planned - timedelta(microseconds=1)), []
    while (fire := next(ahead)).at < until:
        inside.append(fire)
    return Coming(due, tuple(inside), fire)


def _fires(policy: Policy, after: datetime) -> Iterator[Fire]:
    assert policy.schedule is not None  # noqa: S101 - every delete policy has one
    return fires(policy.schedule, policy.timezone, after)
