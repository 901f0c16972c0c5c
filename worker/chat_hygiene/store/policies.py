"""Stored policies: the current version of each, and whose slots have come. Changes are `store.versions`.

One row is no policy that anybody wrote: `ON_REQUEST`, under which chats go that somebody asked for by name. It is there
from the first such request on, for jobs and reports to name, and in no list of policies.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic import ValidationError
from sqlalchemy import RowMapping, Select, and_, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import UnreadablePolicyError
from chat_hygiene.store.tables import policies, policy_versions
from chat_policies import DeleteOptions, Policy
from chat_policies.rules import Rules

# Not validated: no document can have this name, nor an empty `when`, which a `Compiler` refuses.
ON_REQUEST = Policy.model_construct(
    name="on request",
    mode="enforce",
    when=Rules.model_construct(),
    grace=timedelta(0),
    delete=DeleteOptions(from_whatsapp=True, force_local=True),
)
"""No rule says which chats; what keeps a chat keeps it, and WhatsApp's refusal is met as by any policy."""
WRITTEN = policies.c.name != ON_REQUEST.name
"""Policies that somebody wrote."""


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A policy with its current version."""

    id: int
    version: int
    state: str
    policy: Policy
    next_run_at: datetime | None
    created_by: str
    created_at: datetime

    @property
    def enforces(self) -> bool:
        """Whether its matches are deleted."""
        return self.state == "active" and self.policy.action == "delete" and self.policy.mode == "enforce"


def load(session: Session, names: Sequence[str] | None = None) -> list[StoredPolicy]:
    """Policies that are not retired, with their current version, by name.

    Of all, those that this program cannot read are left out: `unreadable` tells them. Raises UnreadablePolicyError for one
    of those named.
    """
    query = _in_use()
    if names is not None:
        return _read(session, query.where(policies.c.name.in_(names)))
    return _readable(session, query)


def unreadable(session: Session) -> list[UnreadablePolicyError]:
    """What is to be told of each policy that is not retired and that this program cannot read, by name."""
    found = []
    for row in session.execute(_in_use()).mappings():
        try:
            _stored(row)
        except UnreadablePolicyError as error:
            found.append(error)
    return found


def enforcing(session: Session) -> list[StoredPolicy]:
    """Those whose matches are deleted. One that this program cannot read is left out, and keeps no other waiting."""
    query = _in_use().where(policies.c.state == "active", policies.c.action == "delete")
    return [each for each in _readable(session, query) if each.enforces]


def load_by_id(session: Session, policy_id: int) -> StoredPolicy:
    """One policy with its current version, retired or not. Raises UnreadablePolicyError."""
    (found,) = _read(session, _current().where(policies.c.id == policy_id))
    return found


def _current() -> Select[Any]:
    return select(
        policies, policy_versions.c.document, policy_versions.c.created_by, policy_versions.c.created_at
    ).join(
        policy_versions,
        and_(policy_versions.c.policy_id == policies.c.id, policy_versions.c.version == policies.c.version),
    )


def _in_use() -> Select[Any]:
    return _current().where(WRITTEN, policies.c.state != "retired").order_by(policies.c.name)


def _readable(session: Session, query: Select[Any]) -> list[StoredPolicy]:
    found = []
    for row in session.execute(query).mappings():
        with suppress(UnreadablePolicyError):
            found.append(_stored(row))
    return found


def _read(session: Session, query: Select[Any]) -> list[StoredPolicy]:
    return [_stored(row) for row in session.execute(query).mappings()]


def _stored(row: RowMapping) -> StoredPolicy:
    return StoredPolicy(
        id=row[policies.c.id],
        version=row[policies.c.version],
        state=row[policies.c.state],
        policy=_policy(row),
        next_run_at=row[policies.c.next_run_at],
        created_by=row[policy_versions.c.created_by],
        created_at=row[policy_versions.c.created_at],
    )


def _policy(row: RowMapping) -> Policy:
    name = row[policies.c.name]
    if name == ON_REQUEST.name:
        return ON_REQUEST
    try:
        return _read_once(json.dumps(row[policy_versions.c.document], sort_keys=True))
    except ValidationError:
        keeps = row[policies.c.action] == "keep" and row[policies.c.state] == "active"
        raise UnreadablePolicyError(name, row[policies.c.version], keeps=keeps) from None


@lru_cache(maxsize=1000)
def _read_once(document: str) -> Policy:
    """A policy is immutable, as its version is; each gate and each look would check it anew."""
    return Policy.from_document(json.loads(document))


def keeps(session: Session) -> list[Policy]:
    """Every active keep-policy. Raises UnreadablePolicyError when one cannot be read: then nothing may be deleted."""
    query = _current().where(policies.c.state == "active", policies.c.action == "keep")
    return [stored.policy for stored in _read(session, query.order_by(policies.c.name))]


def lock(session: Session, policy_id: int) -> None:
    """One evaluation or change of a policy at a time. Rows that refer to it are still stored: no outcome waits for it."""
    session.execute(
        select(policies.c.id).where(policies.c.id == policy_id).with_for_update(key_share=True)
    ).one()


def try_lock(session: Session, policy_id: int) -> bool:
    """The same without waiting: False when it is being evaluated or changed right now."""
    free = (
        select(policies.c.id)
        .where(policies.c.id == policy_id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return session.execute(free).one_or_none() is not None


@dataclass(frozen=True, slots=True)
class Due:
    """A delete policy whose slot has come, as it stood then. Its document may be one that this program cannot read."""

    id: int
    name: str
    version: int
    slot: datetime
    document: dict[str, Any]

    @property
    def mode(self) -> str:
        """As a run's row says it."""
        return "enforce" if self.document.get("mode") == "enforce" else "observe"


def due(session: Session, *, now: datetime) -> list[Due]:
    """Active delete policies whose next run has come, the longest overdue first."""
    query = (
        _current()
        .where(policies.c.state == "active", policies.c.action == "delete", policies.c.next_run_at <= now)
        .order_by(policies.c.next_run_at, policies.c.id)
    )
    return [
        Due(
            id=row[policies.c.id],
            name=row[policies.c.name],
            version=row[policies.c.version],
            slot=row[policies.c.next_run_at],
            document=row[policy_versions.c.document],
        )
        for row in session.execute(query).mappings()
    ]


def claim(session: Session, seen: Due, *, next_run_at: datetime) -> bool:
    """Takes the slots of a due policy, if it still stands as it was seen; False: another tick or a change was first."""
    free = select(policies.c.id).where(
        policies.c.id == seen.id,
        policies.c.next_run_at == seen.slot,
        policies.c.version == seen.version,
        policies.c.state == "active",
    )
    # One that is being evaluated right now is claimed by the next tick.
    if session.execute(free.with_for_update(key_share=True, skip_locked=True)).one_or_none() is None:
        return False
    session.execute(update(policies).where(policies.c.id == seen.id).values(next_run_at=next_run_at))
    return True
