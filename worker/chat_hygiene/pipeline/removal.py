"""One job from lease to outcome: read fresh, pass the gate, DELETE, read back, store what happened.

Called by drain for each leased job; everything it learns ends in one move of the job. It never repeats a call whose
outcome was not read, and hands the job back, without counting an attempt, when the device and not the chat is at fault.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from chat_hygiene.core.decisions import (
    FORCED,
    NO_ANSWER,
    Answer,
    Decision,
    Intent,
    Past,
    Rules,
    Sight,
    decide,
    outcome,
    removed,
    sight,
    unreadable,
)
from chat_hygiene.core.errors import UnreadablePolicyError
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import gate
from chat_hygiene.pipeline.calls import Answered, Calls, DeviceFaultError, UnreadableError
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.lines import Lines
from chat_hygiene.pipeline.together import Together
from chat_hygiene.settings import JOB_DEADLINE, MAX_ATTEMPTS, MAX_READ_AGE
from chat_hygiene.store import debts, devices, jobs, moves, policies
from chat_hygiene.store.engine import reading
from chat_hygiene.store.jobs import Job
from chat_hygiene.store.moves import Move

_log = structlog.stdlib.get_logger(__name__)

_TOLD = {
    JobEvent.CONFIRM_DELETED: "deleted",
    JobEvent.CONFIRM_GONE: "already gone",
    JobEvent.CONFIRM_LOCAL: "removed locally, still in WhatsApp",
    JobEvent.RETRY: "not deleted yet",
    JobEvent.GIVE_UP: "failed",
}
"""What the log says of a move; a job that is only handed back is no news."""


class Removals:
    """What the removals of one drain share: the calls, and the transactions of those that store something at the same time."""

    def __init__(self, context: Context, calls: Calls) -> None:
        self.context, self.calls = context, calls
        self.gate = Together(self._pass)
        self.moves = Together(self._move)
        self._lines = defaultdict[int, Lines](Lines)
        self._calling: set[tuple[int, int]] = set()

    async def enter(self, job: Job, *, pressed: bool = False) -> None:
        """Waits until one more job of its device may make calls; `pressed`: before those that have not read yet."""
        await self._lines[job.device_id].take(pressed=pressed)
        self._calling.add(job.claim)

    def leave(self, job: Job) -> None:
        """The job makes no call any more. May be said twice."""
        if job.claim in self._calling:
            self._calling.remove(job.claim)
            self._lines[job.device_id].give_back()

    def _pass(self, asks: Sequence[gate.Ask]) -> list[gate.Pass | gate.Refusal]:
        return gate.run(self.context, asks, now=self.context.clock())

    def _move(self, wanted: Sequence[Move]) -> list[bool]:
        now, actor = self.context.clock(), self.context.actor
        # Of two claims of one job the later one speaks for it.
        latest = {each.job_id: each for each in sorted(wanted, key=lambda each: each.fence or 0)}
        with self.context.sessions.begin() as session:
            moved = moves.move_all(session, [*latest.values()], now=now, actor=actor)
        return [each.job_id in moved and each is latest[each.job_id] for each in wanted]


async def run(shared: Removals, job: Job) -> bool:
    """Works one leased job to its next resting state. False when it was only handed back: its device is at fault."""
    ids = {"job_id": job.id, "device": job.device, "run_id": job.run_id, "policy_id": job.policy_id}
    with bound_contextvars(**ids):
        await shared.enter(job)
        try:
            return await _work(shared, job)
        finally:
            shared.leave(job)


async def _work(shared: Removals, job: Job) -> bool:
    context = shared.context
    try:
        return await _remove(shared, job)
    except DeviceFaultError as fault:
        values = {"next_attempt_at": fault.until}
        await _move(shared, job, JobEvent.RELEASE, values=values, detail={"reason": fault.reason})
        return False
    except UnreadableError:
        decision = unreadable(
            _past(context, job), rules=_rules(context), now=context.clock(), rng=context.rng
        )
        if job.error_class in jobs.UNANSWERED and decision.event is JobEvent.RETRY:
            # An earlier call has no answer yet: a read that fails does not change what has to be waited out.
            decision = replace(decision, error=job.error_class)
        await _settle(shared, job, decision, attempts=job.attempts + 1)
        return True


async def _remove(shared: Removals, job: Job) -> bool:
    context, calls = shared.context, shared.calls
    if job.session_status != "online":
        # Claimed for a policy that no longer waits for the device: the gate judges what it says of itself now.
        await calls.device(job)
    read_at = context.clock()
    facts = await calls.read(job)
    seen = sight(facts)
    if facts is None or seen.platform_removed:
        # After an earlier intent of ours its doing; before any, somebody else's.
        earlier = (Intent.PLATFORM, Answer.GONE) if job.intent is None else (job.intent, Answer.LOST)
        await _settle(shared, job, outcome(*earlier, seen), attempts=job.attempts)
        return True
    if (until := _still_out(context, job)) > context.clock():
        raise DeviceFaultError("an earlier call may still be at work", until)
    # Drain asks before it claims, but its first answer may be this very read.
    calls.check_clocks()
    # While the gate decides, another one calls.
    shared.leave(job)
    verdict = await shared.gate.ask(gate.Ask(job, facts, read_at))
    if isinstance(verdict, gate.Refusal):
        if not verdict.waits:
            _tell(job, "cancelled" if verdict.clause else "taken over", {"clause": verdict.clause})
        return not verdict.waits
    await shared.enter(job, pressed=True)
    # The lease that the gate granted began later: while a call may leave, nobody else has the job.
    fresh = min(MAX_READ_AGE, context.settings.lease_seconds)
    return await _call(shared, job, verdict, not_after=read_at + fresh)


def _still_out(context: Context, job: Job) -> datetime:
    """Until when an earlier call without an answer could still act: it may have left as late as the read's age allowed."""
    if job.intent_at is None or job.intent is None or job.error_class not in jobs.UNANSWERED:
        return context.clock()
    return job.intent_at + MAX_READ_AGE + context.settings.delete_deadline_seconds


async def _call(shared: Removals, job: Job, passed: gate.Pass, *, not_after: datetime) -> bool:
    context, calls = shared.context, shared.calls
    try:
        answered = await calls.delete(job, passed.intent, not_after=not_after)
    except DeviceFaultError as fault:
        # The call was not made, or certainly did not act: the job waits as it was before.
        values = {"next_attempt_at": fault.until, **_before(job)}
        await _move(shared, job, JobEvent.WITHDRAW, values=values, detail={"reason": fault.reason})
        return False
    answer = answered.answer
    seen: Sight | None = None
    online = False
    counts = True
    # Where reading back fails, nothing is known, or there is no control read to stand on: the next attempt reads first.
    try:
        seen = sight(await calls.read(job))
        if seen.platform_removed:
            # What the job has behind it does not matter any more.
            decision = removed(passed.intent, answer, seen, earlier=job.intent)
            await _settle(shared, job, decision, attempts=job.attempts + 1, answered=answered)
            return True
        online = (await calls.device(job)).online
        if answer is Answer.UNKNOWN and not online and not passed.offline:
            # Untouched so far, on a device that went offline: the device failed, and no attempt is counted.
            soon = context.clock() + context.settings.retry_base_seconds
            decision = Decision(
                JobEvent.RETRY, error=NO_ANSWER, next_attempt_at=soon, refused_at=job.refused_at
            )
            await _settle(shared, job, decision, attempts=job.attempts, answered=answered)
            return False
    except UnreadableError:
        pass
    except DeviceFaultError:
        # Not this chat's failure: the attempt counts only if the call itself got an answer that was read back.
        counts = seen is not None and answer is not Answer.UNKNOWN
    past = await asyncio.to_thread(_past, context, job, online=online)
    if not counts:
        past = replace(past, attempts=job.attempts)
    now, rng = context.clock(), context.rng
    decision = decide(passed.intent, answer, seen, past, rules=_rules(context), now=now, rng=rng)
    await _settle(shared, job, decision, attempts=past.attempts, answered=answered)
    return True


def _past(context: Context, job: Job, *, online: bool = False) -> Past:
    options = None
    with reading(context.sessions) as session:
        (device,) = devices.load(session, [job.device_id])
        # A policy that this program cannot read allows nothing.
        with suppress(UnreadablePolicyError):
            options = policies.load_by_id(session, job.policy_id).policy.delete
    # While its number was away, or nobody looked, the chat did not fail.
    failing = job.first_failed_at and device.online_since and max(job.first_failed_at, device.online_since)
    return Past(
        attempts=job.attempts + 1,
        refused_at=job.refused_at,
        failing_since=failing or context.clock(),
        may_force=options is not None and options.force_local,
        earlier=job.intent,
        device_online=online,
    )


def _rules(context: Context) -> Rules:
    settings = context.settings
    return Rules(MAX_ATTEMPTS, JOB_DEADLINE, settings.retry_base_seconds, settings.refusal_confirm_seconds)


async def _settle(
    shared: Removals, job: Job, decision: Decision, *, attempts: int, answered: Answered | None = None
) -> None:
    now = shared.context.clock()
    values: dict[str, Any] = {"attempts": attempts}
    if decision.error is None:
        values |= {
            "whatsapp_state": decision.whatsapp_state,
            "platform_state": decision.platform_state,
            "intent": None,
        }
        if decision.debt_reason is not None:
            values |= debts.opening(_reason(job, decision.debt_reason), now=now)
    else:
        values |= {"error_class": decision.error, "error_code": answered.code if answered else None}
        values["last_failed_at"] = now
        if attempts > job.attempts:
            # What counts no attempt does not start the deadline either.
            values["first_failed_at"] = job.first_failed_at or now
        values |= {"refused_at": decision.refused_at, "force": job.force or decision.force_next}
        if answered is not None and not answered.answer.may_have_acted:
            values |= _before(job)
        if decision.next_attempt_at is not None:
            values |= {"next_attempt_at": decision.next_attempt_at}
    detail = {
        "whatsapp": decision.whatsapp_state,
        "platform": decision.platform_state,
        "debt": values.get("debt_reason"),
        "error": decision.error,
        "next": "force" if decision.force_next else None,
    }
    known = {name: value for name, value in detail.items() if value is not None}
    await _move(shared, job, decision.event, values=values, detail=known)


def _reason(job: Job, reason: str) -> str:
    """Why the removal is owed in WhatsApp: a call was forced by an operator, or over a device that stayed offline."""
    if reason != FORCED or (job.force and job.forced_by is None):
        return reason
    return "offline" if not job.force else "operator"


def _before(job: Job) -> dict[str, Any]:
    """The intent that was out when the job was claimed, if any: a later call that did not act leaves it as it was."""
    return {"intent": None if job.intent is None else job.intent.value, "intent_at": job.intent_at}


async def _move(
    shared: Removals, job: Job, event: JobEvent, *, values: dict[str, Any], detail: dict[str, Any]
) -> None:
    # While this is stored, the next one calls.
    shared.leave(job)
    stored = await shared.moves.ask(Move(job.id, event, job.fence, values, detail))
    if event in _TOLD:
        _tell(job, _TOLD[event] if stored else "taken over", detail)


def _tell(job: Job, what: str, detail: Mapping[str, Any]) -> None:
    _log.info(f"job {what}", chat_ref=job.chat_ref, chat_hint=job.chat_hint, **detail)
