"""Departed numbers: one that left the account takes its chats with it, and nobody can be asked to remove them any more.

Where the policy allows a forced removal, and the chat may still go by what is stored of it, the removal is then ours
alone: `removed_locally`, on the platform `unreachable`, and owed. No call is made. Every other job waits.
"""

from datetime import datetime

from sqlalchemy import and_
from sqlalchemy.orm import Session

from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import gate, readiness, rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.settings import JOB_DEADLINE
from chat_hygiene.store import candidates, debts, heartbeats, holds, moves, policies, switches
from chat_hygiene.store.engine import reading
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.tables import chats, jobs
from chat_policies import UnknownDeviceError

BATCH = 100
BATCHES = 20
"""Of each policy, per call: what is left then is for the next one."""
REASON = "device_gone"


def run(context: Context, *, now: datetime) -> int:
    """Closes due jobs of numbers that two listings of the account lack, at least `JOB_DEADLINE` apart. Returns how many.

    No time counts in which nobody asked: after an outage of ours one odd answer closes nothing.
    """
    with reading(context.sessions) as session:
        listed = heartbeats.chore_done_at(session, readiness.ACCOUNT)
        if listed is None:
            return 0
        gone_before = min(listed, now) - JOB_DEADLINE
        waiting = candidates.policies_of_departed(session, gone_before=gone_before, now=now)
    closed = 0
    for policy_id in waiting:
        for _ in range(BATCHES):
            done = _close(context, policy_id, gone_before, now=now)
            closed += done
            if done < BATCH:
                break
    return closed


def _close(context: Context, policy_id: int, gone_before: datetime, *, now: datetime) -> int:
    with context.sessions.begin() as session:
        switches.enter_gate(session)
        stored = policies.load_by_id(session, policy_id)
        if gate.stopped(context, session) is not None or not _may_force(stored):
            return 0
        try:
            compiled = rules.clauses(session, stored.policy, context.settings, now=now)
        except UnknownDeviceError:
            return 0
        # How fresh the facts are cannot count: they will never be fresher.
        may_go = and_(compiled.matches(), ~holds.ended_since(chats, jobs.c.queued_at, now=now))
        ids = candidates.jobs_of_departed(
            session, policy_id, may_go, gone_before=gone_before, now=now, limit=BATCH
        )
        for job_id in ids:
            _remove(context, session, job_id, stored.version, now=now)
        return len(ids)


def _may_force(stored: StoredPolicy) -> bool:
    options = stored.policy.delete
    return stored.enforces and options is not None and options.force_local


def _remove(context: Context, session: Session, job_id: int, version: int, *, now: datetime) -> None:
    lease = {"lease_owner": context.owner, "lease_until": now}
    moves.move(session, job_id, JobEvent.CLAIM, now=now, actor=context.actor, values=lease)
    known = {"whatsapp_state": "unknown", "platform_state": "unreachable"}
    moves.move(
        session,
        job_id,
        JobEvent.CONFIRM_LOCAL,
        now=now,
        actor=context.actor,
        values={"version": version, "intent": None, **known, **debts.opening(REASON, now=now)},
        detail={"whatsapp": "unknown", "platform": "unreachable", "debt": REASON},
    )
