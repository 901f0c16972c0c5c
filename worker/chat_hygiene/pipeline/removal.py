"""One job from lease to outcome: read fresh, pass the gate, DELETE, read back, store what happened.

Called by drain for each leased job; everything it learns ends in one move of the job. It never repeats a call whose
outcome was not read, and hands the job back, without counting an attempt, when the device and not the chat is at fault.
"""

import asyncio
from datetime import datetime
from typing import Any

from chat_hygiene.core.decisions import (
    NO_ANSWER,
    Answer,
    Decision,
    Intent,
    Past,
    Rules,
    Sight,
    decide,
    outcome,
    sight,
)
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import gate
from chat_hygiene.pipeline.calls import Calls, DeviceFaultError
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.reconcile import LOST
from chat_hygiene.settings import JOB_DEADLINE, MAX_ATTEMPTS, MAX_READ_AGE
from chat_hygiene.store import moves, policies
from chat_hygiene.store.engine import reading
from chat_hygiene.store.jobs import Job


async def run(context: Context, calls: Calls, job: Job) -> None:
    """Works one leased job to its next resting state."""
    try:
        await _remove(context, calls, job)
    except DeviceFaultError as fault:
        values = {"next_attempt_at": fault.until}
        await _move(context, job, JobEvent.RELEASE, values=values, detail={"reason": fault.reason})


async def _remove(context: Context, calls: Calls, job: Job) -> None:
    read_at = context.clock()
    facts = await calls.read(job)
    seen = sight(facts)
    if facts is None or seen.platform_removed:
        # After an earlier intent of ours its doing; before any, somebody else's.
        earlier = (Intent.PLATFORM, Answer.GONE) if job.intent is None else (job.intent, Answer.LOST)
        await _settle(context, job, outcome(*earlier, seen), attempts=job.attempts)
        return
    if (until := _still_out(context, job)) > context.clock():
        raise DeviceFaultError("an earlier call may still be at work", until)
    verdict = await asyncio.to_thread(gate.run, context, job, facts, read_at=read_at, now=context.clock())
    if isinstance(verdict, gate.Refusal):
        return
    if context.clock() - read_at > MAX_READ_AGE:
        await _withdraw(context, job, DeviceFaultError("read too old", context.clock()))
        return
    await _call(context, calls, job, verdict.intent)


def _still_out(context: Context, job: Job) -> datetime:
    """Until when an earlier call without an answer could still act."""
    if job.intent_at is None or job.intent is None or job.error_class not in {LOST, NO_ANSWER}:
        return context.clock()
    return job.intent_at + context.settings.delete_deadline_seconds


async def _call(context: Context, calls: Calls, job: Job, intent: Intent) -> None:
    try:
        answer = await calls.delete(job, intent)
    except DeviceFaultError as fault:
        await _withdraw(context, job, fault)
        return
    seen: Sight | None = None
    online = False
    try:
        seen = sight(await calls.read(job))
        if not seen.platform_removed:
            online = (await calls.device(job)).online
            if answer is Answer.UNKNOWN and not online:
                # Untouched, on a device that is offline: the device failed, not this attempt.
                soon = context.clock() + context.settings.retry_base_seconds
                await _withdraw(context, job, DeviceFaultError("offline", soon))
                return
    except DeviceFaultError:
        # Nothing was read back, or without a control read to stand on: unknown, so the next attempt reads first.
        pass
    decision = await asyncio.to_thread(_decide, context, job, intent, answer, seen, online=online)
    await _settle(context, job, decision, attempts=job.attempts + 1, answer=answer)


def _decide(
    context: Context, job: Job, intent: Intent, answer: Answer, seen: Sight | None, *, online: bool
) -> Decision:
    settings, now = context.settings, context.clock()
    with reading(context.sessions) as session:
        options = policies.load_by_id(session, job.policy_id).policy.delete
    past = Past(
        attempts=job.attempts + 1,
        refused_at=job.refused_at,
        failing_since=job.first_failed_at or now,
        may_force=options is not None and options.force_local,
        device_online=online,
    )
    rules = Rules(MAX_ATTEMPTS, JOB_DEADLINE, settings.retry_base_seconds, settings.refusal_confirm_seconds)
    return decide(intent, answer, seen, past, rules=rules, now=now, rng=context.rng)


async def _settle(
    context: Context, job: Job, decision: Decision, *, attempts: int, answer: Answer = Answer.LOST
) -> None:
    now = context.clock()
    values: dict[str, Any] = {"attempts": attempts, "error_class": decision.error}
    if decision.error is None:
        values |= {
            "whatsapp_state": decision.whatsapp_state,
            "platform_state": decision.platform_state,
            "intent": None,
        }
        if decision.debt_reason is not None:
            values |= {"debt_state": "open", "debt_reason": decision.debt_reason}
            values |= {"debt_opened_at": now, "debt_next_probe_at": now}
    else:
        values |= {"first_failed_at": job.first_failed_at or now, "last_failed_at": now}
        values |= {"refused_at": decision.refused_at, "force": job.force or decision.force_next}
        if not answer.may_have_acted:
            values |= _before(job)
        if decision.next_attempt_at is not None:
            values |= {"next_attempt_at": decision.next_attempt_at}
    detail = {
        "whatsapp": decision.whatsapp_state,
        "platform": decision.platform_state,
        "error": decision.error,
        "next": "force" if decision.force_next else None,
    }
    known = {name: value for name, value in detail.items() if value is not None}
    await _move(context, job, decision.event, values=values, detail=known)


async def _withdraw(context: Context, job: Job, fault: DeviceFaultError) -> None:
    """The call was not made, or certainly did not act: the job waits as it was before."""
    values = {"next_attempt_at": fault.until, **_before(job)}
    await _move(context, job, JobEvent.WITHDRAW, values=values, detail={"reason": fault.reason})


def _before(job: Job) -> dict[str, Any]:
    """The intent that was out when the job was claimed, if any: a later call that did not act leaves it as it was."""
    return {"intent": None if job.intent is None else job.intent.value, "intent_at": job.intent_at}


async def _move(
    context: Context, job: Job, event: JobEvent, *, values: dict[str, Any], detail: dict[str, Any]
) -> None:
    def store() -> None:
        now, actor = context.clock(), context.actor
        with context.sessions.begin() as session:
            moves.move(
                session, job.id, event, now=now, actor=actor, fence=job.fence, values=values, detail=detail
            )

    await asyncio.to_thread(store)
