"""The one mover: every change of a job's state, with its audit event in the same transaction.

A holder of a lease names its fence; a stale one changes nothing and is told so.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.debts import PROOFS, DebtState
from chat_hygiene.core.events import Event
from chat_hygiene.core.states import EFFECTIVE_STATES, JobEvent, JobState, transition
from chat_hygiene.store import audit, chats, daily, debts, erasures
from chat_hygiene.store.policies import ON_REQUEST
from chat_hygiene.store.tables import devices, jobs, policies

_EVENTS = {
    JobEvent.CLAIM: Event.JOB_CLAIMED,
    JobEvent.RELEASE: Event.JOB_RELEASED,
    JobEvent.CANCEL: Event.JOB_CANCELLED,
    JobEvent.INTEND: Event.JOB_INTENT,
    JobEvent.WITHDRAW: Event.JOB_WITHDRAWN,
    JobEvent.RETRY: Event.JOB_RETRY,
    JobEvent.LOSE: Event.JOB_LOST,
    JobEvent.CONFIRM_DELETED: Event.JOB_DELETED,
    JobEvent.CONFIRM_GONE: Event.JOB_ALREADY_GONE,
    JobEvent.CONFIRM_LOCAL: Event.JOB_REMOVED_LOCALLY,
    JobEvent.GIVE_UP: Event.JOB_FAILED,
    JobEvent.QUARANTINE: Event.JOB_QUARANTINED,
    JobEvent.REQUEUE: Event.JOB_REQUEUED,
}
_LEASED = (JobState.LEASED, JobState.SENT)
_FINAL = (*EFFECTIVE_STATES, JobState.CANCELLED, JobState.FAILED, JobState.QUARANTINED)
# Which column of the rollup a state counts in.
_COUNTED = {state: state.value for state in (*EFFECTIVE_STATES, JobState.FAILED)} | {
    JobState.QUARANTINED: "failed"
}

# Built once: each job is moved three times and more. Whoever moves several in one transaction counts them in one order,
# so that two that do it at once do not wait for each other.
_JOBS = (
    select(
        *(jobs.c.id, jobs.c.state, jobs.c.fence, jobs.c.chat_id, jobs.c.chat_ref),
        *(jobs.c.device_id, jobs.c.policy_id, jobs.c.run_id, jobs.c.version),
        *(devices.c.device, policies.c.name.label("policy")),
    )
    .join(devices, devices.c.id == jobs.c.device_id)
    .join(policies, policies.c.id == jobs.c.policy_id)
    .where(jobs.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(jobs.c.policy_id, jobs.c.device_id, jobs.c.id)
    .with_for_update(of=jobs)
)
_CHANGE = update(jobs).where(jobs.c.id.in_(bindparam("ids", expanding=True)))

_Done = tuple[Row[*tuple[Any, ...]], dict[str, Any], JobState]
"""A job as it was, its changes, and the state that it is in now."""


@dataclass(frozen=True, slots=True)
class Move:
    """One job's next state. `values` are further columns of the job; a claim's fence grows by itself.

    With a `fence` it is a holder's of a lease, and is left alone when the job is not its own any more.
    """

    job_id: int
    event: JobEvent
    fence: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] | None = None


def move(
    session: Session,
    job_id: int,
    event: JobEvent,
    *,
    now: datetime,
    actor: str,
    fence: int | None = None,
    values: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Moves one job; see `Move` and `move_all`. False when it is not the caller's any more."""
    return bool(move_all(session, [Move(job_id, event, fence, values or {}, detail)], now=now, actor=actor))


def move_all(session: Session, wanted: Sequence[Move], *, now: datetime, actor: str) -> set[int]:
    """Moves jobs, each once; returns the ids of those that were moved.

    A final state ends the lease, counts the day, and erases the person; of a chat that somebody asked for by name
    everything else that is stored goes, too.

    Raises `core.states.IllegalMoveError` when a job's state has no such move.
    """
    by_id = {each.job_id: each for each in wanted}
    # Those that are moved together mostly become the same.
    alike: dict[frozenset[tuple[str, Any]], list[int]] = defaultdict(list)
    events, done = [], list[_Done]()
    for job in session.execute(_JOBS, {"ids": list(by_id)}).all():
        asked = by_id.pop(job.id)
        fence = asked.fence
        if fence is not None and (job.fence != fence or JobState(job.state) not in _LEASED):
            continue
        state = transition(JobState(job.state), asked.event)
        changes: dict[str, Any] = {"state": state.value, **asked.values}
        if state not in _LEASED:
            changes |= {"lease_owner": None, "lease_until": None}
        if asked.event is JobEvent.CLAIM:
            changes["fence"] = job.fence + 1
        changes["finished_at"] = now if state in _FINAL else None
        alike[frozenset(changes.items())].append(job.id)
        events.append(_told(job, asked, changes, state, now=now, actor=actor))
        done.append((job, changes, state))
    if by_id:
        raise LookupError(f"no such jobs: {sorted(by_id)}")
    for same, ids in alike.items():
        session.execute(_CHANGE, {"ids": ids, **dict(same)})
    _conclude(session, done, now=now, actor=actor)
    audit.append_all(session, events)
    for job, changes, state in done:
        if state in EFFECTIVE_STATES and job.policy == ON_REQUEST.name:
            erasures.done(
                session,
                job.chat_id,
                device=job.device,
                chat_ref=job.chat_ref,
                proof=job.id,
                run_id=job.run_id,
                version=changes.get("version", job.version),
                now=now,
                actor=actor,
            )
    return {job.id for job, _, _ in done}


def _told(
    job: Row[*tuple[Any, ...]],
    asked: Move,
    changes: Mapping[str, Any],
    state: JobState,
    *,
    now: datetime,
    actor: str,
) -> audit.Entry:
    return audit.entry(
        _EVENTS[asked.event],
        at=now,
        actor=actor,
        policy=job.policy,
        policy_version=changes.get("version", job.version),
        run_id=job.run_id,
        job_id=job.id,
        device=job.device,
        chat_ref=job.chat_ref,
        outcome=state.value if state in _FINAL else None,
        detail=asked.detail,
    )


def _conclude(session: Session, done: Sequence[_Done], *, now: datetime, actor: str) -> None:
    """What final states bring with them."""
    gone = [(job, changes, state) for job, changes, state in done if state in EFFECTIVE_STATES]
    standing = debts.standing(session, [job.chat_id for job, _, _ in gone]) if gone else {}
    erased = []
    for job, changes, state in gone:
        reached = changes.get("whatsapp_state") if state is JobState.DELETED else None
        left = standing.get(job.chat_id, set())
        if (proved := reached in PROOFS) and left:
            # WhatsApp removed the whole chat: what earlier removals of it left there went with it.
            known = {"whatsapp_state": reached, "detail": {"by_job": job.id}}
            debts.close(session, job.chat_id, DebtState.SETTLED, now=now, actor=actor, **known)
        erased.append((job.chat_id, state.value, not proved and DebtState.OPEN in left))
    chats.erase(session, erased, now=now)
    ended = [(job.policy_id, job.device_id, _COUNTED[state]) for job, _, state in done if state in _COUNTED]
    daily.count(session, now.date(), ended)
