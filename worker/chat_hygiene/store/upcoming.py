"""What is to leave: what is late, what keeps it back, and where one chat stands in its queues. Reads only.

What keeps a chat back is told by the view `report_v1_upcoming` and by nothing else.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, column, exists, func, select, table, tuple_
from sqlalchemy.orm import Session
from sqlalchemy.sql import literal

from chat_hygiene.core.states import HOLDING_STATES, OPEN_STATES, JobState
from chat_hygiene.store import tallies
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import chats, jobs, policies, policy_runs, run_candidates
from chat_hygiene.store.tallies import MOST
from chat_hygiene.store.types import Instant

# Written into the statement: the planner must see that a partial index holds all these rows.
_QUEUED = jobs.c.state == literal(JobState.QUEUED.value, literal_execute=True)

_VIEW = table(
    "report_v1_upcoming",
    *map(column, ("policy", "device", "chat_ref", "blocked_by")),
    column("not_before", Instant()),
)


@dataclass(frozen=True, slots=True)
class Late:
    """The chats of a policy that should be gone and are not, queued or withheld, and since when the first should be."""

    policy: str
    chats: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a queued job stands, from 1, among the queued ones of its policy and among those of its number; each up to `MOST`."""

    in_policy: int
    of_policy: int
    on_device: int
    of_device: int


def late(session: Session, *, now: datetime) -> list[Late]:
    """Per policy that has any, by name."""
    queued = (
        select(jobs.c.policy_id, func.count(), func.min(jobs.c.not_before))
        .where(jobs.c.state.in_([state.value for state in OPEN_STATES]), jobs.c.not_before < now)
        .group_by(jobs.c.policy_id)
    )
    found: dict[int, list[tuple[int, datetime]]] = defaultdict(list)
    for query in (queued, _late_withheld(now)):
        for policy_id, number, since in session.execute(query):
            found[policy_id].append((number, since))
    names = dict(session.execute(select(policies.c.id, policies.c.name)).all())
    return sorted(
        (
            Late(names[each], sum(number for number, _ in parts), min(since for _, since in parts))
            for each, parts in found.items()
        ),
        key=lambda each: each.policy,
    )


def overdue(session: Session, *, now: datetime) -> dict[str, int]:
    """How many are late by each delete policy, 0 where none is; of those that are queued it counts up to `MOST`."""
    mine = (
        select(jobs.c.id)
        .where(
            jobs.c.policy_id == policies.c.id,
            jobs.c.state.in_([state.value for state in OPEN_STATES]),
            jobs.c.not_before < now,
        )
        .limit(MOST)
        .correlate(policies)
        .subquery()
    )
    queued = select(func.count()).select_from(mine).scalar_subquery()
    withheld = {policy_id: number for policy_id, number, _ in session.execute(_late_withheld(now))}
    named = select(policies.c.id, policies.c.name, queued).where(policies.c.action == "delete")
    return {name: number + withheld.get(each, 0) for each, name, number in session.execute(named)}


def withheld_late(now: datetime) -> Select[int]:
    """The chats that are withheld and should be gone."""
    return _withheld(run_candidates.c.chat_id).where(run_candidates.c.not_before < now)


def blocks(session: Session, *, now: datetime) -> dict[str | None, int]:
    """How many that are due each thing keeps back; None: nothing known. Those being worked right now are left out."""
    query = (
        select(_VIEW.c.blocked_by, func.count()).where(_VIEW.c.not_before < now).group_by(_VIEW.c.blocked_by)
    )
    return dict(session.execute(query).all())


def blocked_by(session: Session, device: str, chat_ref: str) -> dict[str, str | None]:
    """What keeps one chat back, by the policies that would let it go."""
    query = select(_VIEW.c.policy, _VIEW.c.blocked_by).where(
        _VIEW.c.device == device, _VIEW.c.chat_ref == chat_ref
    )
    return dict(session.execute(query).all())


def blocked(session: Session, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], str | None]:
    """What keeps each of these back, each a number's id and a chat's pseudonym. Those that are not to leave are left out."""
    found: dict[tuple[str, str], str | None] = {}
    by_device: dict[str, set[str]] = defaultdict(set)
    for device, ref in pairs:
        by_device[device].add(ref)
    for device, refs in by_device.items():
        query = select(_VIEW.c.chat_ref, _VIEW.c.blocked_by).where(
            _VIEW.c.device == device, _VIEW.c.chat_ref.in_(refs)
        )
        found |= {(device, ref): why for ref, why in session.execute(query)}
    return found


def withheld(session: Session, chat_id: int) -> dict[int, Record]:
    """By policy: what withholds the chat (`withheld_by`), since when it matches, and of which run it is a candidate."""
    query = _withheld(
        policy_runs.c.policy_id,
        run_candidates.c.run_id,
        policy_runs.c.state.label("run_state"),
        policy_runs.c.reason.label("run_reason"),
        policy_runs.c.expires_at,
        run_candidates.c.withheld_by,
        run_candidates.c.matched_at,
        run_candidates.c.not_before,
    ).where(run_candidates.c.chat_id == chat_id)
    return {row["policy_id"]: row for row in fetch(session, query.order_by(run_candidates.c.run_id))}


def place(session: Session, job: Record) -> Place:
    """Where a queued job stands: in its policy by when each may leave, on its number by when each is tried next.

    Where `MOST` or more of its number are tried at one instant, which of them is first is not settled: its place is `MOST`.
    """
    in_policy = and_(_QUEUED, jobs.c.policy_id == job["policy_id"])
    on_device = and_(_QUEUED, jobs.c.device_id == job["device_id"])
    # As a row, so that the index is walked up to it and no further.
    this = tuple_(literal(job["not_before"], Instant()), job["id"])
    before = and_(in_policy, tuple_(jobs.c.not_before, jobs.c.id) < this)
    return Place(
        in_policy=min(1 + _count(session, before), MOST),
        of_policy=_count(session, in_policy),
        on_device=min(1 + _ahead(session, on_device, job), MOST),
        of_device=_count(session, on_device),
    )


def _ahead(session: Session, on_device: ColumnElement[bool], job: Record) -> int:
    sooner = _count(session, and_(on_device, jobs.c.next_attempt_at < job["next_attempt_at"]))
    beside = select(jobs.c.id).where(on_device, jobs.c.next_attempt_at == job["next_attempt_at"])
    rows = beside.limit(MOST).subquery()
    together, before = session.execute(
        select(func.count(), func.count().filter(rows.c.id < job["id"])).select_from(rows)
    ).one()
    return MOST if together == MOST else sooner + before


def _count(session: Session, which: ColumnElement[bool]) -> int:
    return tallies.count(session, select(jobs.c.id).where(which))


def _late_withheld(now: datetime) -> Select[int, int, datetime]:
    """Of each policy how many are withheld and late, and since when the first is."""
    return (
        _withheld(policy_runs.c.policy_id, func.count(), func.min(run_candidates.c.not_before))
        .where(run_candidates.c.not_before < now)
        .group_by(policy_runs.c.policy_id)
    )


def _withheld(*columns: ColumnElement[Any]) -> Select[Any]:
    # As in the view: what happened to the chat since takes it off.
    taken = exists().where(
        jobs.c.chat_id == run_candidates.c.chat_id,
        jobs.c.generation == run_candidates.c.generation,
        jobs.c.state.in_([state.value for state in HOLDING_STATES]),
    )
    same_life = and_(
        chats.c.id == run_candidates.c.chat_id, chats.c.generation == run_candidates.c.generation
    )
    return (
        select(*columns)
        .select_from(run_candidates)
        .join(policy_runs, policy_runs.c.id == run_candidates.c.run_id)
        .join(chats, same_life)
        .where(
            run_candidates.c.withheld_by.is_not(None),
            chats.c.removed_at.is_(None),
            chats.c.missing_since.is_(None),
            ~taken,
        )
    )
