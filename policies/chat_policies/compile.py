"""A policy to named SQL clauses: the one evaluator that preview, explain, runs, approvals and the gate share.

A chat may go when every clause holds: those of the scope and of `when` are TRUE, those of `unless` and of each
keep-policy are FALSE. NULL is unknown and never lets a chat go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Select, and_

from chat_policies.clause import Clause
from chat_policies.conditions.age import newest_turns
from chat_policies.errors import UnknownDeviceError
from chat_policies.facts import MESSAGE_TIMES
from chat_policies.funnel import Funnel, funnel, read_funnel
from chat_policies.messages import mask, one_of
from chat_policies.policy import Policy
from chat_policies.rules import AllOf
from chat_policies.scope import GUARDS, guarded, scope, there
from chat_policies.verdicts import Verdict, explain, read_explain


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
        return explain(self.clauses, chat)

    def read_explain(self, row: Row[*tuple[Any, ...]]) -> tuple[Verdict, ...]:
        """Each clause with its value and the facts it saw, from a row of `explain`."""
        return read_explain(self.clauses, row)


def compile_policy(
    policy: Policy,
    keeps: Sequence[Policy],
    chat: FromClause,
    *,
    now: datetime,
    min_age: timedelta,
    devices: Mapping[str, int],
) -> Compiled:
    """The clauses of a delete policy over `chat`, a table or alias with the columns of `facts.FACTS`.

    Args:
        policy: what may go.
        keeps: every keep-policy in force.
        chat: where the facts stand.
        now: the instant at which durations are judged.
        min_age: the age floor: a chat whose last message is younger never goes.
        devices: device ids and aliases to `device_id`.

    Raises:
        UnknownDeviceError: the policy or a keep-policy names a device that is not in `devices`.
        ValueError: the policy is a keep-policy, or has no `when`, which no document can say.
    """
    if policy.action != "delete":
        raise ValueError(f'"{policy.name}" is a keep-policy: it deletes nothing')
    when = policy.when.members()
    if not when:
        raise ValueError(f'"{policy.name}" has no rule: that never means all chats')
    together = AllOf(tuple(when.values()))
    on = (
        "on any device" if policy.devices is None else f"on {one_of([mask(name) for name in policy.devices])}"
    )
    clauses = list(scope(chat, together, _device_ids(policy, devices), on, now, min_age))
    for name, condition in when.items():
        sql = guarded(condition, chat, now, [guard for guard in GUARDS if guard.named(condition)])
        bound = condition.bound(chat, now)
        clauses.append(Clause(f"when.{name}", condition.words(), sql, True, condition.facts, bound))  # noqa: FBT003
    for name, condition in policy.unless.members().items() if policy.unless else ():
        sql = condition.sql(chat, now)
        clauses.append(Clause(f"unless.{name}", condition.words(), sql, wanted=False, facts=condition.facts))
    clauses.extend(_keep(keep, chat, now, devices) for keep in keeps)
    return Compiled(tuple(clauses))


def compile_request(
    keeps: Sequence[Policy], chat: FromClause, *, now: datetime, devices: Mapping[str, int]
) -> Compiled:
    """The clauses for a chat that somebody names and wants deleted: it is there, and no keep-policy covers it.

    It names no chat: whoever asks about another one asks for that to go. Arguments as for `compile_policy`.

    Raises UnknownDeviceError when a keep-policy names a device that is not in `devices`.
    """
    return Compiled((*there(chat), *(_keep(keep, chat, now, devices) for keep in keeps)))


def ripening(
    policy: Policy, keeps: Sequence[Policy], facts: Mapping[str, object], min_age: timedelta
) -> tuple[datetime, ...]:
    """Every instant, past or to come, at which a clause of the policy may turn for a chat with these facts.

    `facts` are columns to values. Whether the chat then matches is for the clauses to say, compiled for that instant.
    """
    trees = [policy.when, *([policy.unless] if policy.unless else []), *(keep.when for keep in keeps)]
    turns = [instant for tree in trees for instant in tree.together().ripens(facts)]
    return tuple(sorted({*turns, *newest_turns(facts, MESSAGE_TIMES, min_age)}))


def _keep(keep: Policy, chat: FromClause, now: datetime, devices: Mapping[str, int]) -> Clause:
    when, ids = keep.when.together(), _device_ids(keep, devices)
    here = [] if ids is None else [chat.c.device_id.in_(ids)]
    sql = and_(*here, when.sql(chat, now))
    facts = ("device_id",) * len(here) + when.facts
    return Clause(f"keep.{keep.name}", f"kept by {keep.name}: {keep.words()}", sql, wanted=False, facts=facts)


def _device_ids(policy: Policy, devices: Mapping[str, int]) -> list[int] | None:
    if policy.devices is None:
        return None
    if unknown := tuple(name for name in policy.devices if name not in devices):
        raise UnknownDeviceError(policy.name, unknown)
    return sorted({devices[name] for name in policy.devices})
