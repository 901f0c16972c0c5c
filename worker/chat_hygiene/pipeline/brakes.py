"""The brakes of law 8: how many chats a policy may queue per device and local calendar day. Pure."""

import math
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement

from chat_hygiene.core.words import count
from chat_hygiene.store.loads import Load
from chat_policies import Compiled, Policy


@dataclass(frozen=True, slots=True)
class Trip:
    """A brake that stopped a run, and the numbers that it saw: `wanted` by the run, after `today` were queued by earlier ones.

    `at_least`: what it wants was counted no further.
    """

    brake: str
    device: str
    allowed: int
    today: int
    wanted: int
    population: int
    at_least: bool = False

    @property
    def words(self) -> str:
        """One sentence for a person."""
        if self.brake == "max_share":
            allows = f"max_share allows {self.allowed:,} (rounded up) of {self.population:,} chats"
        else:
            allows = f"max_chats allows {count(self.allowed, 'chat') if self.allowed else 'no chats'}"
        wanted = f"{'at least ' if self.at_least else ''}{self.wanted:,}"
        if self.today:
            wants = f"earlier runs of this day queued {self.today:,}, and this one wants {wanted} more"
        else:
            wants = f"this run wants {wanted}"
        return f"{allows} a day on {self.device}, and {wants}"


def local_day_start(policy: Policy, now: datetime) -> datetime:
    """When the policy's calendar day began, in its zone."""
    local = now.astimezone(ZoneInfo(policy.timezone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def population(compiled: Compiled) -> ColumnElement[bool]:
    """The chats that a share is a share of: those in the policy's scope, however young."""
    scope = [
        each for each in compiled.clauses if each.name.startswith("scope.") and each.name != "scope.age_floor"
    ]
    return Compiled(tuple(scope)).matches()


def enough(policy: Policy, queued: int) -> int | None:
    """The smallest population of a device that says how its share is judged of so many a day; None: all of it does.

    Those that trip `max_chats` are judged by no population.
    """
    limits = policy.limits
    if queued > limits.max_chats:
        return 0
    if not limits.max_share:
        return None
    # In whole numbers: it is the least of which the share, rounded up, is `queued`.
    share, of = limits.max_share.as_integer_ratio()
    return (queued - 1) * 100 * of // share + 1


def may_trip(policy: Policy, chats: int) -> bool:
    """Whether a brake could stop a run that queues all of so many chats."""
    return policy.limits.max_chats < chats or policy.limits.max_share < 100


def judge(policy: Policy, load: Load) -> Trip | None:
    """The brake that this device's load trips, if any.

    The share is rounded up to a whole chat, so that one match in a population of 5 passes a limit of 10 %; a share of
    0 % allows none.
    """
    queued = load.today + load.wanted
    share = math.ceil(policy.limits.max_share * load.population / 100)
    for brake, allowed in (("max_chats", policy.limits.max_chats), ("max_share", share)):
        if queued > allowed:
            return Trip(brake, load.device, allowed, load.today, load.wanted, load.population)
    return None
