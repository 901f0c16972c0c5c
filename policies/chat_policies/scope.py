"""What every delete policy leaves alone, and how a policy says otherwise.

Three rules hold unless a policy names their fact in `when`: only one-to-one chats go, pinned chats stay, locked chats
stay. Naming the fact in one branch of `any` opens that branch only. Under `not`, and in `unless`, naming opens nothing.
A flag that the API left out counts as not set, because the API leaves false flags out; an unknown kind is not
one-to-one.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import get_args

from sqlalchemy import ColumnElement, FromClause, and_, false, func, or_, true

from chat_policies import durations, facts
from chat_policies.clause import Clause
from chat_policies.conditions import Condition
from chat_policies.conditions.age import newest_is_old
from chat_policies.conditions.choices import Kind
from chat_policies.conditions.flags import Flag, Locked, Pinned
from chat_policies.rules import AllOf, AnyOf


class Guard(ABC):
    """A rule on one fact that holds wherever that fact is not named."""

    fact: str
    named_by: type[Condition]
    default: frozenset[object]
    indexed = False
    """Whether an index of ripe chats holds the fact."""

    def named(self, condition: Condition) -> bool:
        """Whether the condition names the fact, outside any `not`."""
        if isinstance(condition, AllOf | AnyOf):
            return any(self.named(member) for member in condition.members)
        return isinstance(condition, self.named_by)

    def reach(self, condition: Condition) -> frozenset[object]:
        """The values of the fact that a chat can have to meet the guarded condition."""
        if isinstance(condition, AnyOf):
            return frozenset().union(*(self.reach(member) for member in condition.members))
        if isinstance(condition, AllOf):
            naming = [self.reach(member) for member in condition.members if self.named(member)]
            return frozenset.intersection(*naming) if naming else self.default
        return self.values(condition) if isinstance(condition, self.named_by) else self.default

    def clause(self, chat: FromClause, when: AllOf) -> Clause:
        """The clause `scope.…` of a policy with this `when`."""
        reach = self.reach(when)
        sql = self.sql(chat, reach)
        bound = sql if self.indexed else None
        return Clause(
            f"scope.{self.fact}", self.words(reach), sql, wanted=True, facts=(self.fact,), bound=bound
        )

    @abstractmethod
    def values(self, condition: Condition) -> frozenset[object]:
        """The values that a condition on the fact names."""

    @abstractmethod
    def sql(self, chat: FromClause, values: frozenset[object]) -> ColumnElement[bool]:
        """Whether the fact has one of these values."""

    @abstractmethod
    def words(self, values: frozenset[object]) -> str:
        """Which chats these values let in."""


class KindGuard(Guard):
    """One-to-one chats only."""

    fact = "kind"
    named_by = Kind
    default = frozenset({"chat"})
    indexed = True

    def values(self, condition: Condition) -> frozenset[object]:
        """The kinds written."""
        return frozenset(condition.root if isinstance(condition, Kind) else ())

    def sql(self, chat: FromClause, values: frozenset[object]) -> ColumnElement[bool]:
        """NULL for an unknown kind."""
        return chat.c.kind.in_([kind for kind in get_args(facts.Kind) if kind in values])

    def words(self, values: frozenset[object]) -> str:
        """`one-to-one chats only`, `groups only`, `one-to-one chats, and groups where named`."""
        others = " and ".join(
            "communities" if kind == "community" else f"{kind}s"
            for kind in get_args(facts.Kind)
            if kind in values and kind != "chat"
        )
        if "chat" in values:
            return f"one-to-one chats, and {others} where named" if others else "one-to-one chats only"
        return f"{others} only" if others else "no kind of chat"


class FlagGuard(Guard):
    """Chats with the flag stay."""

    default = frozenset({False})

    def __init__(self, fact: str, named_by: type[Flag]) -> None:
        self.fact = fact
        self.named_by = named_by

    def values(self, condition: Condition) -> frozenset[object]:
        """The value written."""
        return frozenset({condition.root} if isinstance(condition, Flag) else ())

    def sql(self, chat: FromClause, values: frozenset[object]) -> ColumnElement[bool]:
        """Never NULL: absent is not set."""
        if len(values) != 1:
            return true() if values else false()
        return chat.c[self.fact].is_(true()) if True in values else chat.c[self.fact].is_not(true())

    def words(self, values: frozenset[object]) -> str:
        """`not pinned`, `pinned only`, `pinned only where named`."""
        if len(values) != 1:
            return f"{self.fact} only where named" if values else f"neither {self.fact} nor not"
        return f"{self.fact} only" if True in values else f"not {self.fact}"


GUARDS: tuple[Guard, ...] = (KindGuard(), FlagGuard("pinned", Pinned), FlagGuard("locked", Locked))


def guarded(
    condition: Condition, chat: FromClause, now: datetime, guards: Collection[Guard]
) -> ColumnElement[bool]:
    """The condition's SQL with each of `guards` added to every branch that does not name its fact."""
    if isinstance(condition, AnyOf):
        return or_(*(guarded(member, chat, now, guards) for member in condition.members))
    if isinstance(condition, AllOf):
        members = [guarded(one, chat, now, [g for g in guards if g.named(one)]) for one in condition.members]
        return and_(*members, *(g.sql(chat, g.default) for g in guards if not g.named(condition)))
    added = [g.sql(chat, g.default) for g in guards if not g.named(condition)]
    return and_(condition.sql(chat, now), *added)


def scope(
    chat: FromClause, when: AllOf, devices: Collection[int] | None, on: str, now: datetime, min_age: timedelta
) -> Iterator[Clause]:
    """The clauses that every delete policy has, in the order in which they are told."""
    yield from there(chat)
    device = true() if devices is None else chat.c.device_id.in_(devices)
    yield Clause("scope.device", on, device, wanted=True, facts=("device_id",))
    yield from (guard.clause(chat, when) for guard in GUARDS)
    floor = newest_is_old(chat, facts.MESSAGE_TIMES, min_age, now)
    words = f"last message {durations.words(min_age)} ago" if min_age else "last message known and past"
    yield Clause("scope.age_floor", words, floor, wanted=True, facts=facts.MESSAGE_TIMES)


def there(chat: FromClause) -> Iterator[Clause]:
    """What every chat has to be to go, whoever wants it to."""
    removed = and_(chat.c.removed_at.is_(None), func.coalesce(chat.c.status, "") != "removed")
    facts, here = ("removed_at", "status"), chat.c.removed_at.is_(None)
    yield Clause("scope.removed", "not removed", removed, wanted=True, facts=facts, bound=here)
    listed = chat.c.missing_since.is_(None)
    yield Clause("scope.missing", "still listed", listed, wanted=True, facts=("missing_since",), bound=listed)
