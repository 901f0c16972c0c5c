"""The queue as a person reads it: who leaves next, page by page, and how long it is. Reads only.

Each look goes along the index by policy, from where the last one ended, so that a long queue costs no more than a short one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Select, and_, func, select, tuple_
from sqlalchemy.orm import Session
from sqlalchemy.sql import literal

from chat_hygiene.core.states import JobState
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import chats, devices, jobs, policies
from chat_hygiene.store.types import Instant

# Written into the statement: the planner must see which part of the index it is.
_QUEUED = jobs.c.state == literal(JobState.QUEUED.value, literal_execute=True)


@dataclass(frozen=True, slots=True)
class Queue:
    """One policy's: how many wait, and when the first may leave. `chats` may have ended at the caller's `most`."""

    policy_id: int
    policy: str
    chats: int
    first: datetime


def queues(session: Session, *, most: int) -> list[Queue]:
    """Of each policy that has one, by name."""
    found = []
    for policy_id, name in session.execute(
        select(policies.c.id, policies.c.name).order_by(policies.c.name)
    ).all():
        mine = and_(_QUEUED, jobs.c.policy_id == policy_id)
        first = session.execute(select(func.min(jobs.c.not_before)).where(mine)).scalar_one()
        if first is not None:
            rows = select(jobs.c.id).where(mine).limit(most).subquery()
            number = session.execute(select(func.count()).select_from(rows)).scalar_one()
            found.append(Queue(policy_id, name, number, first))
    return found


def page(
    session: Session,
    policy_ids: Sequence[int],
    *,
    limit: int,
    device_id: int | None = None,
    after: tuple[datetime, int] | None = None,
) -> list[Record]:
    """What leaves next of these policies' queues, soonest first, after (not_before, job_id)."""
    rows: list[Record] = []
    for policy_id in policy_ids:
        query = _rows().where(_QUEUED, jobs.c.policy_id == policy_id)
        if device_id is not None:
            query = query.where(jobs.c.device_id == device_id)
        if after is not None:
            at, job_id = after
            # As a row, so that the index is entered there: many may leave at one instant.
            query = query.where(tuple_(jobs.c.not_before, jobs.c.id) > tuple_(literal(at, Instant()), job_id))
        rows += fetch(session, query.order_by(jobs.c.not_before, jobs.c.id).limit(limit))
    return sorted(rows, key=itemgetter("not_before", "job_id"))[:limit]


def _rows() -> Select[Any]:
    return (
        select(
            jobs.c.id.label("job_id"),
            *(jobs.c[name] for name in ("chat_ref", "chat_hint", "matched_at", "not_before", "error_class")),
            policies.c.name.label("policy"),
            *(devices.c.device, devices.c.alias),
            *(chats.c.name, chats.c.last_message_at),
        )
        .join(policies, policies.c.id == jobs.c.policy_id)
        .join(devices, devices.c.id == jobs.c.device_id)
        .join(chats, chats.c.id == jobs.c.chat_id)
    )
