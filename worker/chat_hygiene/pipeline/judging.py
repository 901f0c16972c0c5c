"""Judging: whether the candidates of a run may be queued by themselves: the day's brakes first, then the version's canary.

A run asks before it queues, and a preview asks what a run would be told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial

from sqlalchemy.orm import Session

from chat_hygiene.pipeline import brakes
from chat_hygiene.pipeline.brakes import Trip
from chat_hygiene.pipeline.house import canary_of
from chat_hygiene.settings import Settings
from chat_hygiene.store import canaries, loads
from chat_hygiene.store.canaries import Canary
from chat_policies import Compiled, Policy


class Ruling(StrEnum):
    """What becomes of a run's candidates."""

    ALL = "all"
    """They are queued."""
    FIRST = "first"
    """A few of them are queued, those silent for longest; the others wait until these have ended well."""
    WAIT = "wait"
    """None is queued: the first few of this version have not ended yet."""
    ASK_BRAKE = "brake"
    """None is queued unless somebody approves: they are too many for a day."""
    ASK_CANARY = "canary"
    """None is queued unless somebody approves: not all of the first few ended well."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ruling and what it rests on.

    Attributes:
        first: how many are queued at once by `FIRST`.
        trips: of each number that wants too many, the brake.
        canary_run: the run whose first few ended badly.
    """

    ruling: Ruling
    first: int = 0
    trips: tuple[Trip, ...] = ()
    canary_run: int | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """Why somebody has to approve, one sentence each."""
        if self.ruling is Ruling.ASK_CANARY:
            first = f"chat-hygiene runs show {self.canary_run}"
            return (f"not all of the first chats of its version were deleted: {first}",)
        return tuple(trip.words for trip in self.trips)


def run(
    session: Session,
    policy: Policy,
    compiled: Compiled,
    wanted: Mapping[int, int],
    settings: Settings,
    *,
    policy_id: int,
    version: int,
    now: datetime,
) -> Verdict:
    """Judges so many candidates per number (its row id). A policy that is not stored yet has the id and version 0."""
    if tripped := trips(session, policy, compiled, wanted, policy_id=policy_id, now=now):
        return Verdict(Ruling.ASK_BRAKE, trips=tripped)
    return canary(session, policy, settings, policy_id=policy_id, version=version)


def canary(session: Session, policy: Policy, settings: Settings, *, policy_id: int, version: int) -> Verdict:
    """The canary alone: it asks of the version's earlier runs, and not of candidates."""
    size = canary_of(policy, settings)
    if size is None:
        return Verdict(Ruling.ALL)
    match canaries.of_version(session, policy_id, version):
        case Canary.PASSED, _:
            return Verdict(Ruling.ALL)
        case Canary.AHEAD, _:
            return Verdict(Ruling.FIRST, first=size)
        case Canary.UNDER_WAY, _:
            return Verdict(Ruling.WAIT)
        case _, run_id:
            return Verdict(Ruling.ASK_CANARY, canary_run=run_id)


def trips(
    session: Session,
    policy: Policy,
    compiled: Compiled,
    wanted: Mapping[int, int],
    *,
    policy_id: int,
    now: datetime,
) -> tuple[Trip, ...]:
    """The brakes alone. Candidates that the run has queued already count as wanted."""
    found = loads.loads(
        session,
        wanted,
        brakes.population(compiled),
        policy_id=policy_id,
        day_start=brakes.local_day_start(policy, now),
        enough=partial(brakes.enough, policy),
    )
    return tuple(trip for load in found if (trip := brakes.judge(policy, load)))
