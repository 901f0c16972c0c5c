"""Candidates of a policy: counting them, queueing a job for each, and what keeps a chat from a second job."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.core.states import EFFECTIVE_STATES, HOLDING_STATES, JobState
from chat_hygiene.store import holds, lists
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import chats, devices, jobs
from chat_hygiene.store.types import Instant
from chat_hygiene.store.withheld import OLDEST_FIRST, days_later
from chat_policies import Clause, Compiled, Funnel

FAILED_AGAIN_AFTER = timedelta(days=7)
RESURRECTED_AGAIN_AFTER = timedelta(days=7)


_THESE_VALUES = text("SET LOCAL plan_cache_mode = force_custom_plan")


def plan_anew(session: Session) -> None:
    """Has PostgreSQL plan the transaction's statements for the days and numbers that they ask with.

    From the tenth run on of one connection it may keep a plan for any values, which cannot know how few chats are old enough.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_THESE_VALUES)


def free(policy_id: int, version: int, *, now: datetime) -> ColumnElement[bool]:
    """A chat life that may get a job of this version.

    It has no open or effective one, no failure of this version in the last 7 days, and was not deleted twice in 7 days
    after a resurrection.
    """
    failed = and_(
        jobs.c.state == JobState.FAILED.value,
        jobs.c.policy_id == policy_id,
        jobs.c.version == version,
        jobs.c.finished_at > literal(now - FAILED_AGAIN_AFTER, Instant()),
    )
    # Asked for at once: the jobs of a chat are looked up only once.
    has_one = exists().where(
        jobs.c.chat_id == chats.c.id,
        jobs.c.generation == chats.c.generation,
        or_(jobs.c.state.in_([state.value for state in HOLDING_STATES]), failed),
    )
    removals = (
        select(func.count())
        .where(
            jobs.c.chat_id == chats.c.id,
            jobs.c.state.in_([state.value for state in EFFECTIVE_STATES]),
            jobs.c.finished_at > literal(now - RESURRECTED_AGAIN_AFTER, Instant()),
        )
        .scalar_subquery()
    )
    again = or_(chats.c.resurrected_at.is_(None), removals < 2)
    return and_(~has_one, again)


def funnel(session: Session, compiled: Compiled) -> Funnel:
    """Counts over every stored chat."""
    return compiled.read_funnel(session.execute(compiled.funnel(chats)).one())


def count(session: Session, condition: ColumnElement[bool]) -> int:
    """How many chats satisfy it."""
    return session.execute(select(func.count()).select_from(chats).where(condition)).scalar_one()


def matches(session: Session, condition: ColumnElement[bool], *, limit: int | None = None) -> list[Record]:
    """Chats that satisfy it, those silent for longest first."""
    query = (
        select(chats, devices.c.device, devices.c.alias)
        .join(devices, devices.c.id == chats.c.device_id)
        .where(condition)
        .order_by(*OLDEST_FIRST)
        .limit(limit)
    )
    return fetch(session, query)


def queue(
    session: Session,
    condition: ColumnElement[bool],
    *,
    run_id: int,
    policy_id: int,
    version: int,
    reason: str,
    grace: timedelta,
    now: datetime,
    per_day: int | None = None,
) -> int:
    """One job per matching chat, in one statement; returns how many the run has. A chat life that has its job gets no second one.

    With `per_day`, so many leave once the grace is over, and as many on each day after that, oldest first. What a hold
    covered until lately leaves after `holds.GRACE_AFTER` at the earliest.
    """
    at = literal(now, Instant())
    ends: ColumnElement[datetime] = literal(now + grace, Instant())
    if per_day is not None:
        place = func.row_number().over(order_by=OLDEST_FIRST) - 1
        found = select(chats.c.id, place.label("place")).where(condition).subquery("found")
        days = days_later("days", now + grace, count(session, condition) // per_day + 1)
        ends = days.c.at
    due = ends
    if grace < holds.GRACE_AFTER:
        after_hold = literal(now + holds.GRACE_AFTER, Instant())
        due = case((and_(ends < after_hold, holds.lately_ended(chats, now=now)), after_hold), else_=ends)
    values: dict[str, ColumnElement[Any]] = {
        "chat_id": chats.c.id,
        "generation": chats.c.generation,
        "device_id": chats.c.device_id,
        "chat_ref": chats.c.chat_ref,
        "chat_hint": chats.c.chat_hint,
        "run_id": literal(run_id),
        "policy_id": literal(policy_id),
        "version": literal(version),
        "reason": literal(reason),
        "state": literal(JobState.QUEUED.value),
        "queued_at": at,
        "matched_at": at,
        "not_before": due,
        "next_attempt_at": due,
    }
    rows = select(*values.values())
    if per_day is None:
        rows = rows.where(condition)
    else:
        rows = rows.join(found, found.c.id == chats.c.id)
        rows = rows.join(days, days.c.key == found.c.place // per_day)
    # Two evaluators that insert in one order cannot deadlock.
    rows = rows.order_by(chats.c.id)
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(dialect.insert(jobs).from_select(list(values), rows).on_conflict_do_nothing())
    mine = select(func.count()).select_from(jobs).where(jobs.c.run_id == run_id)
    return session.execute(mine).scalar_one()


def digest(session: Session, run_id: int) -> str:
    """Of what a run queued."""
    return lists.digest_of(session, select(jobs.c.chat_ref, jobs.c.generation).where(jobs.c.run_id == run_id))


def by_device(session: Session, condition: ColumnElement[bool], *, most: int | None = None) -> dict[int, int]:
    """How many chats of each device satisfy it, by the device's row id; with `most`, only so many of all are counted."""
    here = select(chats.c.device_id).where(condition).limit(most).subquery()
    return dict(session.execute(select(here.c.device_id, func.count()).group_by(here.c.device_id)).all())


def queued_by_device(session: Session, run_id: int) -> dict[int, int]:
    """How many a run has queued on each device, by the device's row id."""
    query = select(jobs.c.device_id, func.count()).where(jobs.c.run_id == run_id)
    return dict(session.execute(query.group_by(jobs.c.device_id)).all())


def stopped_matching(
    session: Session,
    policy_id: int,
    clauses: Sequence[Clause],
    *,
    now: datetime,
    among: ColumnElement[bool] | None = None,
    lock: bool = True,
) -> list[tuple[int, str]]:
    """(job id, first clause that fails) of the policy's queued jobs whose chat no longer matches; locked.

    What a hold covered after it was queued is one of them, also when the hold is over: it begins anew. Only those `among`
    some, a condition over jobs and chats, if given; without `lock` it is a look. A job with an intent out is left alone:
    its outcome has to be read first.
    """
    void = holds.ended_since(chats, jobs.c.queued_at, now=now)
    fails = [(void, literal("hold")), *((~clause.holds(), literal(clause.name)) for clause in clauses)]
    reason = case(*fails, else_=literal("")).label("reason")
    query = (
        select(jobs.c.id, reason)
        .join(chats, chats.c.id == jobs.c.chat_id)
        .where(
            jobs.c.policy_id == policy_id,
            jobs.c.state == JobState.QUEUED.value,
            jobs.c.intent.is_(None),
            or_(chats.c.generation != jobs.c.generation, *(fail for fail, _ in fails)),
        )
        .order_by(jobs.c.id)
    )
    if among is not None:
        query = query.where(among)
    if lock:
        # A job that a gate is moving right now is the gate's: it asks the same clauses.
        query = query.with_for_update(of=jobs, skip_locked=True)
    return [(row.id, row.reason or "generation") for row in session.execute(query)]


def open_jobs(session: Session, policy_id: int) -> list[tuple[int, str]]:
    """(job id, "mode") of every queued job of a policy that no longer enforces, except those with an intent out."""
    query = select(jobs.c.id).where(
        jobs.c.policy_id == policy_id, jobs.c.state == JobState.QUEUED.value, jobs.c.intent.is_(None)
    )
    return [
        (job_id, "mode")
        for job_id in session.execute(query.order_by(jobs.c.id).with_for_update(skip_locked=True)).scalars()
    ]


def policies_of_departed(session: Session, *, gone_before: datetime, now: datetime) -> list[int]:
    """Ids of the policies with due jobs on numbers that the account's listings lack, the first before `gone_before`."""
    query = select(jobs.c.policy_id).where(_on_departed(gone_before, now)).distinct()
    return sorted(session.execute(query).scalars())


def jobs_of_departed(
    session: Session,
    policy_id: int,
    condition: ColumnElement[bool],
    *,
    gone_before: datetime,
    now: datetime,
    limit: int,
) -> list[int]:
    """Ids of the policy's due jobs on such numbers whose chats live and satisfy `condition`; locked."""
    query = (
        select(jobs.c.id)
        .join(chats, chats.c.id == jobs.c.chat_id)
        .where(
            jobs.c.policy_id == policy_id,
            _on_departed(gone_before, now),
            chats.c.generation == jobs.c.generation,
            chats.c.removed_at.is_(None),
            condition,
        )
        .order_by(jobs.c.id)
        .limit(limit)
        .with_for_update(of=jobs, skip_locked=True)
    )
    return list(session.execute(query).scalars())


def _on_departed(gone_before: datetime, now: datetime) -> ColumnElement[bool]:
    departed = select(devices.c.id).where(devices.c.status == "removed", devices.c.gone_since <= gone_before)
    return and_(
        jobs.c.device_id.in_(departed),
        jobs.c.state == JobState.QUEUED.value,
        jobs.c.next_attempt_at <= now,
    )
