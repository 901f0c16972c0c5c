"""A policy to named SQL clauses: the one evaluator that preview, explain, runs, approvals and the gate share.

A chat may go when every clause holds: those of the scope and of `when` are TRUE, those of `unless` and of each
keep-policy are FALSE. NULL is unknown and never lets a chat go.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, FromClause, Row, Select, and_

from chat_policies.clause import Clause
from chat_policies.conditions import Condition
from chat_policies.conditions.age import newest_turns
from chat_policies.errors import UnknownDeviceError
from chat_policies.facts import MESSAGE_TIMES
from chat_policies.funnel import Funnel, funnel, read_funnel
from chat_policies.messages import mask, one_of
from chat_policies.policy import Policy
from chat_policies.rules import AllOf
from chat_policies.scope import GUARDS, guarded, scope, there
from chat_policies.verdicts import Look, Verdict

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """The clauses of one policy at one instant: scope, when, unless, keep, then what was added."""

    clauses: tuple[Clause, ...]

    def matches(self) -> ColumnElement[bool]:
        """TRUE or FALSE, never NULL: whether every clause lets the chat go."""
        bounds = (clause.bound for clause in self.clauses if clause.bound is not None)
        return and_(*bounds, *(clause.holds() for clause in self.clauses))

    def with_clauses(self, *more: Clause) -> "Compiled":
        """With clauses added, such as the holds that the worker knows (named `hold`, or `hold.` and a word)."""
        return replace(self, clauses=(*self.clauses, *more))

    def funnel(self, chat: FromClause) -> Select[*tuple[int, ...]]:
        """One row of counts over all rows of `chat`; see `funnel.Funnel`."""
        return funnel(self.clauses, chat)

    def read_funnel(self, row: Row[*tuple[int, ...]]) -> Funnel:
        """The counts of a row of `funnel`."""
        return read_funnel(self.clauses, row)

    def explain(self, chat: FromClause) -> Select[*tuple[Any, ...]]:
        """One row a chat: `id`, each clause's value as `c0`, `c1` …, then the facts. Add a WHERE for one chat."""
        return Look(self.clauses).select(chat)

    def read_explain(self, row: Row[*tuple[Any, ...]]) -> tuple[Verdict, ...]:
        """Each clause with its value and the facts it saw, from a row of `explain`."""
        found = Look(self.clauses).read(row)
        return tuple(found[clause] for clause in self.clauses)


class Compiler:
    """Policies to clauses over one table, at one instant. What several policies say alike is one clause.

    Args:
        keeps: every keep-policy in force.
        chat: where the facts stand: a table or alias with the columns of `facts.FACTS`.
        now: the instant at which durations are judged.
        min_age: the age floor: a chat whose last message is younger never goes.
        devices: device ids and aliases to `device_id`.
    """

    def __init__(
        self,
        keeps: Sequence[Policy],
        chat: FromClause,
        *,
        now: datetime,
        min_age: timedelta,
        devices: Mapping[str, int],
    ) -> None:
        self._keeps, self._chat, self._now, self._min_age, self._devices = keeps, chat, now, min_age, devices
        self._said: dict[object, Any] = {}

    def policy(self, policy: Policy) -> Compiled:
        """The clauses of a delete policy.

        Raises:
            UnknownDeviceError: the policy or a keep-policy names a device that is not in `devices`.
            ValueError: the policy is a keep-policy, or has no `when`, which no document can say.
        """
        if policy.action != "delete":
            raise ValueError(f'"{policy.name}" is a keep-policy: it deletes nothing')
        when = policy.when.members()
        if not when:
            raise ValueError(f'"{policy.name}" has no rule: that never means all chats')
        clauses = [*self._scope(policy, AllOf(tuple(when.values())))]
        clauses += [self._once(("when", *each), self._when, *each) for each in when.items()]
        if policy.unless is not None:
            clauses += [
                self._once(("unless", *each), self._unless, *each) for each in policy.unless.members().items()
            ]
        return Compiled((*clauses, *self._kept()))

    def request(self) -> Compiled:
        """The clauses for a chat that somebody names and wants deleted: it is there, and no keep-policy covers it.

        They name no chat: whoever asks about another one asks for that to go.

        Raises UnknownDeviceError when a keep-policy names a device that is not in `devices`.
        """
        return Compiled((*there(self._chat), *self._kept()))

    def _scope(self, policy: Policy, when: AllOf) -> tuple[Clause, ...]:
        ids, on = self._device_ids(policy), "on any device"
        if policy.devices is not None:
            on = f"on {one_of([mask(name) for name in policy.devices])}"
        reaches = tuple(guard.reach(when) for guard in GUARDS)
        return self._once(
            ("scope", ids, on, reaches),
            lambda: tuple(scope(self._chat, when, ids, on, self._now, self._min_age)),
        )

    def _when(self, name: str, condition: Condition) -> Clause:
        return Clause(
            f"when.{name}",
            condition.words(),
            guarded(condition, self._chat, self._now, [guard for guard in GUARDS if guard.named(condition)]),
            wanted=True,
            facts=condition.facts,
            bound=condition.bound(self._chat, self._now),
        )

    def _unless(self, name: str, condition: Condition) -> Clause:
        sql = condition.sql(self._chat, self._now)
        return Clause(f"unless.{name}", condition.words(), sql, wanted=False, facts=condition.facts)

    def _kept(self) -> tuple[Clause, ...]:
        return self._once("keeps", lambda: tuple(map(self._keep, self._keeps)))

    def _keep(self, keep: Policy) -> Clause:
        when, ids = keep.when.together(), self._device_ids(keep)
        here = [] if ids is None else [self._chat.c.device_id.in_(ids)]
        sql = and_(*here, when.sql(self._chat, self._now))
        facts = ("device_id",) * len(here) + when.facts
        return Clause(
            f"keep.{keep.name}", f"kept by {keep.name}: {keep.words()}", sql, wanted=False, facts=facts
        )

    def _device_ids(self, policy: Policy) -> tuple[int, ...] | None:
        if policy.devices is None:
            return None
        if unknown := tuple(name for name in policy.devices if name not in self._devices):
            raise UnknownDeviceError(policy.name, unknown)
        return tuple(sorted({self._devices[name] for name in policy.devices}))

    def _once(self, what: object, say: Callable[..., T], *words: object) -> T:
        if what not in self._said:
            self._said[what] = say(*words)
        return self._said[what]  # type: ignore[no-any-return]


def ripening(
    policy: Policy, keeps: Sequence[Policy], facts: Mapping[str, object], min_age: timedelta
) -> dict[str, list[datetime]]:
    """Every instant, past or to come, at which a clause of the policy may turn for a chat with these facts, by the clause's name.

    A clause that is not named never turns. `facts` are columns to values. Whether the chat matches then is for the clauses
    to say, compiled for that instant.
    """
    turns = {"scope.age_floor": newest_turns(facts, MESSAGE_TIMES, min_age)}
    for kind, tree in (("when", policy.when), ("unless", policy.unless)):
        for name, condition in tree.members().items() if tree else ():
            turns[f"{kind}.{name}"] = condition.ripens(facts)
    for keep in keeps:
        turns[f"keep.{keep.name}"] = keep.when.together().ripens(facts)
    return {name: instants for name, instants in turns.items() if instants}
