"""Effects: whom a changed set of policies would reach, against what is stored, before anything of it is stored. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, not_
from sqlalchemy.orm import Session

from chat_hygiene.pipeline import brakes, rules
from chat_hygiene.settings import Settings
from chat_hygiene.store import candidates, devices, policies, versions
from chat_hygiene.store.loads import Load
from chat_hygiene.store.records import Record
from chat_hygiene.store.versions import Change
from chat_policies import Policy, UnknownDeviceError, looser

SHOWN = 5
"""Of the chats that would be reached in addition, those silent for longest."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The stored chats that a policy matches once the change is stored.

    Attributes:
        extra: those of them that no version stored now would delete.
        first: the first few of these, as records with `chat_ref`, `chat_hint`, `name`, `device` and `alias`.
        beyond_brakes: there are more of them on one number than its brakes let through in a day.
    """

    matches: int
    extra: int
    first: tuple[Record, ...]
    beyond_brakes: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change of one policy does, or, of an unchanged one, what the keep-policies that change with it do.

    Attributes:
        looser: each way in which it may let go more than before.
        reach: of a delete policy; None without a stored number, or when nothing that judges its chats changes.
    """

    change: Change
    looser: tuple[str, ...]
    reach: Reach | None

    @property
    def asks(self) -> bool:
        """Whether somebody has to want it: more can go by it than before."""
        return bool(self.looser) or (self.deletes and self.reach is not None and self.reach.extra > 0)

    @property
    def severe(self) -> bool:
        """Whether it begins to delete what is there already, or more at once than its brakes let through."""
        if not self.deletes or self.reach is None:
            return False
        begins = not deletes(self.change.before) and self.reach.matches > 0
        return begins or self.reach.beyond_brakes

    @property
    def deletes(self) -> bool:
        """Whether chats go by it once the change is stored, or once it is resumed."""
        return self.change.what != "retired" and deletes(self.change.policy)


@dataclass(frozen=True, slots=True)
class Look:
    """What a change would do, and the versions that this was said of."""

    basis: frozenset[tuple[str, int, str]]
    effects: tuple[Effect, ...]


def run(
    session: Session, wanted: Sequence[Policy], settings: Settings, *, prune: bool = False, now: datetime
) -> Look:
    """Each policy of a file in its order, then those it retires, then those that other keep-policies judge.

    Raises chat_policies.UnknownDeviceError when numbers are stored and a policy of the file names one that is not, and
    UnreadablePolicyError while a keep-policy that the file does not say anew cannot be read.
    """
    changes = versions.compare(session, wanted, prune=prune)
    names = {policy.name for policy in wanted}
    blind = [each for each in policies.unreadable(session) if each.keeps]
    for each in blind:
        if each.policy not in names:
            raise each
    before = [
        each.policy
        for each in policies.load(session)
        if each.state == "active" and each.policy.action == "keep"
    ]
    after = _keeps(before, changes)
    if judged_anew := bool(blind) or before != after:
        named = {change.policy.name for change in changes}
        changes += [
            Change("unchanged", each.policy, each.policy, each.version, each.state)
            for each in policies.load(session)
            if each.policy.name not in named and deletes(each.policy)
        ]
    known = bool(devices.names(session))

    def reach(change: Change) -> Reach | None:
        unasked = change.what == "unchanged" and not judged_anew
        if not known or unasked or change.what == "retired" or change.policy.action == "keep":
            return None
        try:
            # While a keep-policy cannot be read nothing goes.
            so_far = false() if blind else _matches(session, change.before, settings, before, now=now)
            return _reach(session, change, settings, so_far, after, now=now)
        except UnknownDeviceError as error:
            if error.policy in names:
                raise
            return None  # its runs fail, and say so

    def effect(change: Change) -> Effect:
        stays = None if change.what == "retired" else change.policy
        return Effect(change, looser(change.before, stays, canary=settings.canary_chats), reach(change))

    return Look(versions.basis(session), tuple(effect(change) for change in changes))


def deletes(policy: Policy | None) -> bool:
    """Whether chats go by this policy, while it is not paused."""
    return policy is not None and policy.action == "delete" and policy.mode == "enforce"


def _keeps(before: Sequence[Policy], changes: Sequence[Change]) -> list[Policy]:
    changed = {change.policy.name: change for change in changes}
    stay = [policy for policy in before if policy.name not in changed]
    stay += [each.policy for each in changes if each.what != "retired" and each.policy.action == "keep"]
    return sorted(stay, key=lambda policy: policy.name)


def _reach(
    session: Session,
    change: Change,
    settings: Settings,
    so_far: ColumnElement[bool],
    keeps: Sequence[Policy],
    *,
    now: datetime,
) -> Reach:
    compiled = rules.clauses(session, change.policy, settings, now=now, keeps=keeps)
    more = and_(compiled.matches(), not_(so_far))
    extra = candidates.by_device(session, more)
    population = candidates.by_device(session, brakes.population(compiled))
    loads = (Load(device_id, "", population[device_id], 0, number) for device_id, number in extra.items())
    return Reach(
        matches=candidates.count(session, compiled.matches()),
        extra=sum(extra.values()),
        first=tuple(candidates.matches(session, more, limit=SHOWN)),
        beyond_brakes=any(brakes.judge(change.policy, load) for load in loads),
    )


def _matches(
    session: Session, policy: Policy | None, settings: Settings, keeps: Sequence[Policy], *, now: datetime
) -> ColumnElement[bool]:
    """What goes by a stored policy; never NULL."""
    if policy is None or not deletes(policy):
        return false()
    try:
        return rules.clauses(session, policy, settings, now=now, keeps=keeps).matches()
    except UnknownDeviceError:
        return false()
