"""Runs as a face shows them: the newest of all policies, or one with its chats."""

from typing import Any

from sqlalchemy import FromClause, Select, and_, exists, func, literal, select, union_all
from sqlalchemy.orm import Session

from chat_hygiene.core.states import JobState
from chat_hygiene.store import tallies
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.runs import AWAITING
from chat_hygiene.store.tables import (
    chats,
    devices,
    jobs,
    policies,
    policy_runs,
    policy_versions,
    run_candidates,
)

_VERSION = and_(
    policy_versions.c.policy_id == policy_runs.c.policy_id, policy_versions.c.version == policy_runs.c.version
)


def find(session: Session, run_id: int) -> Record | None:
    """One run with its policy's name, and the rule and the document of the version that ran."""
    query = _runs().add_columns(policy_versions.c.rule, policy_versions.c.document)
    return next(
        iter(fetch(session, query.join(policy_versions, _VERSION).where(policy_runs.c.id == run_id))), None
    )


def listing(
    session: Session,
    *,
    awaiting: bool = False,
    policy: str | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> list[Record]:
    """Runs with their policies' names, newest first: those that await approval, of one policy, older than one of them."""
    query = _runs().order_by(policy_runs.c.id.desc()).limit(limit)
    if awaiting:
        query = query.where(policy_runs.c.state == AWAITING)
    if policy is not None:
        query = query.where(policies.c.name == policy)
    if before is not None:
        query = query.where(policy_runs.c.id < before)
    return fetch(session, query)


def newest(session: Session, policy_id: int, *, limit: int) -> list[Record]:
    """A policy's runs by their slots, the newest first."""
    query = _runs().where(policy_runs.c.policy_id == policy_id)
    return fetch(session, query.order_by(policy_runs.c.scheduled_for.desc()).limit(limit))


def of_policies(session: Session) -> list[str]:
    """The names that runs can have: of every policy that ever was."""
    return list(session.execute(select(policies.c.name).order_by(policies.c.name)).scalars())


def outcomes(session: Session, run_id: int) -> dict[str, int]:
    """How many of a run's jobs stand in each state."""
    query = select(jobs.c.state, func.count()).where(jobs.c.run_id == run_id).group_by(jobs.c.state)
    return dict(session.execute(query).all())


def standing(session: Session, run_id: int) -> dict[JobState, int]:
    """The same, each up to `tallies.MOST`: what a look at many runs can afford."""
    return tallies.by_state(session, jobs.c.run_id == run_id)


def put_down(session: Session, run_id: int) -> dict[str, int]:
    """How many chats each thing withholds of a run's."""
    by = run_candidates.c.withheld_by
    query = select(by, func.count()).where(run_candidates.c.run_id == run_id, by.is_not(None)).group_by(by)
    return dict(session.execute(query).all())


def chats_of(session: Session, run_id: int, *, limit: int | None = None) -> list[Record]:
    """What a run queued and what it put down, each with its chat and number, oldest first.

    `standing` is the job's state, what withholds it, or `listed` for one of a plan that was not queued; `not_before` is
    when it may leave, or might have if nothing withheld it.
    """
    queued = exists().where(jobs.c.run_id == run_id, jobs.c.chat_id == run_candidates.c.chat_id)
    put_down = func.coalesce(run_candidates.c.withheld_by, literal("listed"))
    rows = union_all(
        _chats(jobs, jobs.c.state).where(jobs.c.run_id == run_id),
        _chats(run_candidates, put_down).where(run_candidates.c.run_id == run_id, ~queued),
    ).subquery()
    oldest_first = select(rows).order_by(rows.c.last_message_at.nulls_last(), rows.c.chat_id)
    return fetch(session, oldest_first.limit(limit))


def page_of(session: Session, run_id: int, *, after: int, limit: int) -> list[Record]:
    """The same in the order of their rows, from the chat after one: a long run costs no more than its jobs' index."""
    # OFFSET keeps PostgreSQL from walking every job of the ledger in the order that is wanted. Two narrow columns: all of a
    # run are sorted, and one can have queued a great many.
    mine = select(jobs.c.id, jobs.c.chat_id).where(jobs.c.run_id == run_id, jobs.c.chat_id > after).offset(0)
    narrow = mine.subquery()
    first = select(narrow.c.id).order_by(narrow.c.chat_id).limit(limit)
    queued = exists().where(jobs.c.run_id == run_id, jobs.c.chat_id == run_candidates.c.chat_id)
    put_down = func.coalesce(run_candidates.c.withheld_by, literal("listed"))
    candidates = _chats(run_candidates, put_down).where(
        run_candidates.c.run_id == run_id, run_candidates.c.chat_id > after, ~queued
    )
    parts = [
        _chats(jobs, jobs.c.state).where(jobs.c.id.in_(first)),
        candidates.order_by(run_candidates.c.chat_id).limit(limit).subquery().select(),
    ]
    rows = union_all(*parts).subquery()
    return fetch(session, select(rows).order_by(rows.c.chat_id).limit(limit))


def _chats(source: FromClause, standing: Any) -> Select[Any]:  # noqa: ANN401 - a column of text
    return (
        select(
            chats.c.id.label("chat_id"),
            *(chats.c[name] for name in ("chat_ref", "chat_hint", "name", "last_message_at")),
            *(devices.c.device, devices.c.alias),
            *(source.c[name] for name in ("generation", "matched_at", "not_before")),
            standing.label("standing"),
        )
        .select_from(source)
        .join(chats, chats.c.id == source.c.chat_id)
        .join(devices, devices.c.id == chats.c.device_id)
    )


def _runs() -> Select[Any]:
    return select(policy_runs, policies.c.name.label("policy")).join(
        policies, policies.c.id == policy_runs.c.policy_id
    )
