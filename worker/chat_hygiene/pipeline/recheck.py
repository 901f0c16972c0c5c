"""Recheck: queued jobs that may not go any more leave the list at once, without waiting for their policy's next run.

The gate would let none of them go. This is for whoever looks at the list, and for the clock of a chat's grace: one that
matches again later begins anew.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, literal
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import UnreadablePolicyError
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.store import candidates, holds, moves, policies
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import chats, jobs
from chat_hygiene.store.types import Instant
from chat_policies import Compiled, UnknownDeviceError

BATCH = 200
"""Jobs in one transaction: nobody waits long for it, and an end in between loses nothing."""

Progress = Callable[[int, int], None]
"""Called with how many jobs are cancelled, and of how many."""


def run(context: Context, device_id: int, *, read_since: datetime | None, now: datetime) -> int:
    """After reads of a number: cancels its queued jobs of enforcing policies that stopped matching. Returns how many.

    Those of all its chats, or only of those that were read since an instant. A policy that cannot be read, that names a
    number which is not there, or that is being evaluated or changed right now is left to its next run.
    """
    fresh = [] if read_since is None else [chats.c.synced_at >= literal(read_since, Instant())]
    there = and_(jobs.c.device_id == device_id, *fresh)
    with reading(context.sessions) as session:
        waiting = {
            stored.id: _gone(context, session, stored.id, among=there, lock=False, now=now)
            for stored in policies.enforcing(session)
        }
    cancelled = 0
    for policy_id, found in waiting.items():
        for some in _batches([job_id for job_id, _ in found]):
            with context.sessions.begin() as session:
                if not policies.try_lock(session, policy_id):
                    break
                gone = _gone(context, session, policy_id, among=jobs.c.id.in_(some), lock=True, now=now)
                _cancel(context, session, gone, now=now)
            cancelled += len(gone)
    return cancelled


def held(context: Context, job_ids: Sequence[int], *, now: datetime, progress: Progress) -> int:
    """After a hold was placed: cancels those of these jobs that still wait and are still held. Returns how many."""
    cancelled = 0
    for some in _batches(job_ids):
        with context.sessions.begin() as session:
            ids = holds.held_jobs(session, some, now=now)
            _cancel(context, session, [(job_id, "hold") for job_id in ids], now=now)
        cancelled += len(ids)
        progress(cancelled, len(job_ids))
    return cancelled


def _gone(
    context: Context,
    session: Session,
    policy_id: int,
    *,
    among: ColumnElement[bool],
    lock: bool,
    now: datetime,
) -> list[tuple[int, str]]:
    compiled = _compiled(context, session, policy_id, now=now)
    if compiled is None:
        return []
    return candidates.stopped_matching(session, policy_id, compiled.clauses, now=now, among=among, lock=lock)


def _compiled(context: Context, session: Session, policy_id: int, *, now: datetime) -> Compiled | None:
    try:
        stored = policies.load_by_id(session, policy_id)
        if not stored.enforces:
            return None
        return rules.clauses(session, stored.policy, context.settings, now=now)
    except (UnreadablePolicyError, UnknownDeviceError):
        return None


def _cancel(context: Context, session: Session, gone: Sequence[tuple[int, str]], *, now: datetime) -> None:
    for job_id, clause in gone:
        moves.move(session, job_id, JobEvent.CANCEL, now=now, actor=context.actor, detail={"clause": clause})


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(ids), BATCH):
        yield ids[first : first + BATCH]
