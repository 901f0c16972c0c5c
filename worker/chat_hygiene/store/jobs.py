"""Delete jobs: claiming them, finding what is due, and reading them for a face.

States change only through `moves`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, RowMapping, Select, and_, bindparam, exists, func, literal, select, true
from sqlalchemy.orm import Session

from chat_hygiene.core.decisions import LOST, NO_ANSWER, Intent
from chat_hygiene.core.states import JobEvent, JobState
from chat_hygiene.store import moves
from chat_hygiene.store.moves import Move
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import chats, devices, jobs, policies, policy_runs, run_candidates
from chat_hygiene.store.types import Instant

UNANSWERED = (LOST, NO_ANSWER)

# Written into the statement and not bound: the planner must see that a partial index holds all these rows.
_QUEUED = jobs.c.state == literal(JobState.QUEUED.value, literal_execute=True)
_WORKING = jobs.c.state.in_(
    [literal(state.value, literal_execute=True) for state in (JobState.LEASED, JobState.SENT)]
)
_paused = policies.alias("paused")
# A paused policy's jobs stand still, but for those with a call out, whose outcome has to be read.
_FROZEN = and_(
    jobs.c.policy_id.in_(select(_paused.c.id).where(_paused.c.state == "paused")), jobs.c.intent.is_(None)
)
_WORKABLE = and_(_QUEUED, ~_FROZEN)


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job, as drain works on it."""

    id: int
    chat_id: int
    generation: int
    device_id: int
    run_id: int
    policy_id: int
    fence: int
    attempts: int
    not_before: datetime
    intent: Intent | None
    intent_at: datetime | None
    force: bool
    forced_by: str | None
    refused_at: datetime | None
    error_class: str | None
    first_failed_at: datetime | None
    wid: str = field(repr=False)
    device: str
    session_status: str | None
    chat_ref: str
    chat_hint: str

    @property
    def claim(self) -> tuple[int, int]:
        """This claim of the job. A process that slept beyond its lease may claim it anew while its old task still ends."""
        return self.id, self.fence


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many open jobs wait, and for what.

    Attributes:
        later: not due yet, the first at `next_at`.
        retrying: due, after a failure.
        stuck: due, but their device is offline, paused or blocked, or deleting is stopped.
        frozen: their policy is paused, whenever they are due.
        elsewhere: leased by another worker, perhaps a dead one: a lease that ends is taken back by the next run.
    """

    later: int
    next_at: datetime | None
    retrying: int
    stuck: int
    frozen: int
    elsewhere: int


_COLUMNS = (
    *(jobs.c.id, jobs.c.chat_id, jobs.c.generation, jobs.c.device_id, jobs.c.run_id, jobs.c.policy_id),
    *(jobs.c.fence, jobs.c.attempts, jobs.c.not_before, jobs.c.intent, jobs.c.intent_at),
    *(jobs.c.force, jobs.c.forced_by, jobs.c.refused_at, jobs.c.error_class, jobs.c.first_failed_at),
    *(chats.c.wid, devices.c.device, devices.c.session_status, jobs.c.chat_ref, jobs.c.chat_hint),
)
# In the order of the index alone: a run queues all its jobs for one instant, and sorting those would read them all.
_DUE = (
    select(*_COLUMNS)
    .join(chats, chats.c.id == jobs.c.chat_id)
    .join(devices, devices.c.id == jobs.c.device_id)
    .where(
        jobs.c.device_id == bindparam("device"),
        _WORKABLE,
        jobs.c.next_attempt_at <= bindparam("now", type_=Instant()),
    )
    .order_by(jobs.c.next_attempt_at)
    .limit(bindparam("most"))
    .with_for_update(of=jobs, skip_locked=True)
)


def of_policies(policy_ids: Collection[int] | None) -> ColumnElement[bool]:
    """Jobs of these policies; None: of all."""
    return true() if policy_ids is None else jobs.c.policy_id.in_(policy_ids)


def of_ids(job_ids: Collection[int]) -> ColumnElement[bool]:
    """These jobs."""
    return jobs.c.id.in_(job_ids)


def of_plans(run_ids: Collection[int]) -> ColumnElement[bool]:
    """Jobs of the chats that the plans of these runs list, of the same policy, whichever of its runs queued them."""
    return exists().where(
        run_candidates.c.run_id.in_(run_ids),
        run_candidates.c.withheld_by.is_(None),
        run_candidates.c.chat_id == jobs.c.chat_id,
        run_candidates.c.generation == jobs.c.generation,
        policy_runs.c.id == run_candidates.c.run_id,
        policy_runs.c.policy_id == jobs.c.policy_id,
    )


def due_by_device(session: Session, *, mine: ColumnElement[bool]) -> dict[int, datetime]:
    """When each device's first queued job is due that is not frozen, by the device's row id."""
    # One look into the index per device; grouping would read every queued job.
    first = (
        select(func.min(jobs.c.next_attempt_at))
        .where(jobs.c.device_id == devices.c.id, _WORKABLE, mine)
        .scalar_subquery()
    )
    return {row.id: row.at for row in session.execute(select(devices.c.id, first.label("at"))) if row.at}


def first_due(session: Session, device_id: int, *, mine: ColumnElement[bool]) -> datetime | None:
    """When the first queued job of one device is due that is not frozen."""
    query = select(func.min(jobs.c.next_attempt_at)).where(jobs.c.device_id == device_id, _WORKABLE, mine)
    at: datetime | None = session.execute(query).scalar_one()
    return at


def unanswered(session: Session, *, mine: ColumnElement[bool]) -> bool:
    """Whether a call went out whose process or answer was lost, and the job waits until it cannot act any more."""
    query = select(jobs.c.id).where(
        _QUEUED, jobs.c.intent.is_not(None), jobs.c.error_class.in_(UNANSWERED), mine
    )
    return session.execute(query.limit(1)).one_or_none() is not None


def first_lease_end(session: Session, *, others_than: str) -> datetime | None:
    """When the first lease of another worker ends."""
    at: datetime | None = session.execute(
        select(func.min(jobs.c.lease_until)).where(_WORKING, jobs.c.lease_owner != others_than)
    ).scalar_one()
    return at


def claim(
    session: Session,
    device_id: int,
    most: int,
    *,
    mine: ColumnElement[bool],
    now: datetime,
    lease: timedelta,
    owner: str,
    actor: str,
) -> list[Job]:
    """Leases up to `most` due jobs of one device that are not frozen, each with a new fence."""
    return claim_all(session, [(device_id, most, mine)], now=now, lease=lease, owner=owner, actor=actor)


def claim_all(
    session: Session,
    wanted: Iterable[tuple[int, int, ColumnElement[bool]]],
    *,
    now: datetime,
    lease: timedelta,
    owner: str,
    actor: str,
) -> list[Job]:
    """The same of several devices, each with how many at most and which."""
    found: list[RowMapping] = []
    for device_id, most, mine in wanted:
        values = {"device": device_id, "most": most, "now": now}
        found += session.execute(_DUE.where(mine), values).mappings()
    if not found:
        return []
    leased = {"lease_owner": owner, "lease_until": now + lease}
    claims = [Move(row["id"], JobEvent.CLAIM, values=leased) for row in found]
    moves.move_all(session, claims, now=now, actor=actor)
    # The mover has made each fence one higher.
    return [Job(**{**row, "intent": _intent(row), "fence": row["fence"] + 1}) for row in found]


def _intent(row: RowMapping) -> Intent | None:
    return None if row["intent"] is None else Intent(row["intent"])


def expired(session: Session, *, now: datetime, everyone: bool) -> list[tuple[int, JobState, int]]:
    """(job id, state, crashes) of leases that ended; with `everyone`, of all: no other worker is alive."""
    # Whoever counts several in one transaction counts in one order: two that do it at once must not wait for each other.
    query = (
        select(jobs.c.id, jobs.c.state, jobs.c.crashes)
        .where(_WORKING)
        .order_by(jobs.c.policy_id, jobs.c.device_id, jobs.c.id)
    )
    if not everyone:
        query = query.where(jobs.c.lease_until <= now)
    return [
        (row.id, JobState(row.state), row.crashes)
        for row in session.execute(query.with_for_update(skip_locked=True))
    ]


def listing() -> Select[tuple[object, ...]]:
    """Jobs with their device, policy and the chat's name, newest first."""
    return (
        select(jobs, devices.c.device, devices.c.alias, policies.c.name.label("policy"), chats.c.name)
        .join(devices, devices.c.id == jobs.c.device_id)
        .join(policies, policies.c.id == jobs.c.policy_id)
        .join(chats, chats.c.id == jobs.c.chat_id)
        .order_by(jobs.c.id.desc())
    )


def find(
    session: Session,
    *,
    job_id: int | None = None,
    state: str | None = None,
    chat_refs: Collection[str] | None = None,
    debt: bool = False,
    limit: int | None = None,
) -> list[Record]:
    """Jobs for a face, newest first."""
    query = listing()
    if job_id is not None:
        query = query.where(jobs.c.id == job_id)
    if state is not None:
        query = query.where(jobs.c.state == state)
    if chat_refs is not None:
        query = query.where(jobs.c.chat_ref.in_(chat_refs))
    if debt:
        query = query.where(jobs.c.debt_state.is_not(None))
    return fetch(session, query.limit(limit))


def outcomes_since(session: Session, started: datetime, *, mine: ColumnElement[bool]) -> dict[str, int]:
    """How many jobs ended in each state since `started`."""
    query = select(jobs.c.state, func.count()).where(jobs.c.finished_at >= started, mine)
    return dict(session.execute(query.group_by(jobs.c.state)).all())


def count_due(session: Session, *, mine: ColumnElement[bool], before: datetime) -> int:
    """How many queued jobs are due before an instant and not frozen."""
    query = select(func.count()).where(_WORKABLE, jobs.c.next_attempt_at < before, mine)
    return session.execute(query).scalar_one()


def count_waiting(session: Session, *, mine: ColumnElement[bool], now: datetime) -> Waiting:
    """The open jobs, by what they wait for."""
    later, failed = jobs.c.not_before > now, jobs.c.error_class.is_not(None)
    query = select(
        func.count().filter(and_(~_FROZEN, later)).label("later"),
        func.min(jobs.c.not_before).filter(and_(~_FROZEN, later)).label("next_at"),
        func.count().filter(and_(~_FROZEN, ~later, failed)).label("retrying"),
        func.count().filter(and_(~_FROZEN, ~later, ~failed)).label("stuck"),
        func.count().filter(_FROZEN).label("frozen"),
    ).where(_QUEUED, mine)
    (queued,) = fetch(session, query)
    elsewhere = session.execute(select(func.count()).where(_WORKING, mine)).scalar_one()
    return Waiting(**queued, elsewhere=elsewhere)
