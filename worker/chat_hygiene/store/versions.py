"""Versions of policies: what a file would change, storing it, pausing and retiring, and who did what when.

Versions are immutable; a change is a new one. What these functions change, a gate asks: each shuts it first.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit, policies, switches
from chat_hygiene.store.tables import audit_events, policy_versions
from chat_hygiene.store.tables import policies as heads
from chat_hygiene.store.tables.ledger import CHANGES
from chat_policies import Difference, Policy, differences, next_fire

_STATES = {
    Event.POLICY_PAUSED: "paused",
    Event.POLICY_RESUMED: "active",
    Event.POLICY_RETIRED: "retired",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What a file says of one policy, against what is stored. `retired`: it no longer names it; `policy` is what it was.

    `before` is None also of one that this program cannot read; `from_version` tells that from a new one.
    """

    what: Literal["new", "changed", "unchanged", "retired"]
    policy: Policy
    before: Policy | None
    from_version: int | None
    state: str = "active"
    """As it is stored: active or paused."""


@dataclass(frozen=True, slots=True)
class Head:
    """A policy's row, which can be read whatever its document says."""

    id: int
    name: str
    action: str
    state: str
    version: int
    next_run_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did to a policy.

    Attributes:
        what: created, changed, paused, resumed or retired.
        policy: of a version its document; None when this program cannot read it.
        because: the reason given, if one was.
    """

    at: datetime
    by: str
    what: str
    version: int
    because: str | None
    rule: str | None = None
    policy: Policy | None = None
    differences: tuple[Difference, ...] = ()
    """Of a version to the one before it, as far as this program can read both."""


def basis(session: Session) -> frozenset[tuple[str, int, str]]:
    """(name, version, state) of every policy that is not retired: what a look at a change stands on."""
    query = select(heads.c.name, heads.c.version, heads.c.state).where(
        policies.WRITTEN, heads.c.state != "retired"
    )
    return frozenset((row.name, row.version, row.state) for row in session.execute(query))


def compare(session: Session, wanted: Sequence[Policy], *, prune: bool = False) -> list[Change]:
    """One change per policy of a file, in the file's order; with `prune`, then those stored that it does not name.

    One that this program cannot read stays as it is unless the file says it anew.
    """
    stored = {each.policy.name: each for each in policies.load(session)}
    unreadable = look(session, [each.policy for each in policies.unreadable(session)])
    found = []
    for policy in wanted:
        old = stored.pop(policy.name, None)
        if (head := unreadable.get(policy.name)) is not None:
            found.append(Change("changed", policy, None, head.version, head.state))
        elif old is None:
            found.append(Change("new", policy, None, None))
        else:
            same = old.policy.to_document() == policy.to_document()
            what: Literal["unchanged", "changed"] = "unchanged" if same else "changed"
            found.append(Change(what, policy, old.policy, old.version, old.state))
    if prune:
        found += [
            Change("retired", old.policy, old.policy, old.version, old.state) for old in stored.values()
        ]
    return found


def store(
    session: Session, change: Change, *, now: datetime, actor: str, because: str | None = None
) -> tuple[int, int]:
    """Stores a new or changed policy as its next version; returns the policy's row id and the version.

    No gate decides meanwhile: whatever goes out after this has been stored was judged by it. A paused policy stays paused.
    """
    switches.shut_gate(session)
    policy = change.policy
    next_run = next_fire(policy.schedule, policy.timezone, now) if policy.schedule else None
    head: dict[str, Any] = {"action": policy.action, "next_run_at": next_run, "state": "active"}
    # A retired name comes back with its history: versions go on counting.
    known = session.execute(
        select(heads.c.id, heads.c.version, heads.c.next_run_at)
        .where(heads.c.name == policy.name)
        .with_for_update(key_share=True)
    ).one_or_none()
    if known is not None and _overdue(change, known.next_run_at, now):
        # Its slot came before the change and nobody took it yet: a tick does, with the new version.
        head["next_run_at"] = known.next_run_at
    if known is None:
        version = 1
        policy_id = session.execute(
            insert(heads).values(name=policy.name, version=1, created_at=now, **head).returning(heads.c.id)
        ).scalar_one()
    else:
        policy_id, version = known.id, known.version + 1
        if change.from_version is not None:
            del head["state"]
        session.execute(update(heads).where(heads.c.id == policy_id).values(version=version, **head))
    session.execute(
        insert(policy_versions).values(
            policy_id=policy_id,
            version=version,
            document=policy.to_document(),
            rule=policy.words(),
            created_by=actor,
            created_at=now,
            reason=because,
        )
    )
    kind = Event.POLICY_CREATED if known is None else Event.POLICY_CHANGED
    detail = {"from_version": known.version if known else None, "mode": policy.mode, "action": policy.action}
    if because is not None:
        detail["because"] = because
    audit.append(
        session, kind, at=now, actor=actor, policy=policy.name, policy_version=version, detail=detail
    )
    return policy_id, version


def _overdue(change: Change, next_run_at: datetime | None, now: datetime) -> bool:
    before, after = change.before, change.policy
    return (
        before is not None
        and next_run_at is not None
        and next_run_at <= now
        and (before.schedule, before.timezone) == (after.schedule, after.timezone)
    )


def look(session: Session, names: Collection[str]) -> dict[str, Head]:
    """The rows of these policies that are not retired, by name."""
    query = select(*(heads.c[name] for name in Head.__slots__)).where(
        policies.WRITTEN, heads.c.state != "retired"
    )
    return {row.name: Head(*row) for row in session.execute(query.where(heads.c.name.in_(names)))}


def turn(
    session: Session,
    head: Head,
    event: Literal[Event.POLICY_PAUSED, Event.POLICY_RESUMED, Event.POLICY_RETIRED],
    *,
    next_run_at: datetime | None,
    now: datetime,
    actor: str,
    because: str | None,
) -> None:
    """Pauses, resumes or retires a policy; its queue is the caller's to settle."""
    switches.shut_gate(session)
    policies.lock(session, head.id)
    session.execute(
        update(heads).where(heads.c.id == head.id).values(state=_STATES[event], next_run_at=next_run_at)
    )
    detail = None if because is None else {"because": because}
    audit.append(
        session, event, at=now, actor=actor, policy=head.name, policy_version=head.version, detail=detail
    )


def history(session: Session, name: str) -> list[Entry]:
    """What was done to a policy, retired or not, newest first; empty when there never was one of that name."""
    query = (
        select(policy_versions)
        .join(heads, heads.c.id == policy_versions.c.policy_id)
        .where(heads.c.name == name)
    )
    found = [
        Entry(
            at=row.created_at,
            by=row.created_by,
            what="created" if row.version == 1 else "changed",
            version=row.version,
            because=row.reason,
            rule=row.rule,
            policy=_readable(row.document),
        )
        for row in session.execute(query)
    ]
    known = {each.version: each.policy for each in found}
    found = [
        replace(each, differences=differences(before, each.policy))
        if each.policy is not None and (before := known.get(each.version - 1)) is not None
        else each
        for each in found
    ]
    # The index of what somebody changed, however long the audit is.
    turns = select(audit_events).where(
        CHANGES, audit_events.c.policy == name, audit_events.c.kind.in_([kind.value for kind in _STATES])
    )
    for row in session.execute(turns):
        because = None if row.detail is None else json.loads(row.detail).get("because")
        what = row.kind.removeprefix("policy.")
        found.append(Entry(row.at, row.actor, what, row.policy_version, because))
    # Of one instant: a version before what was done to it.
    return sorted(found, key=lambda each: (each.at, each.version, each.policy is None), reverse=True)


def _readable(document: dict[str, Any]) -> Policy | None:
    try:
        return Policy.from_document(document)
    except ValidationError:
        return None
