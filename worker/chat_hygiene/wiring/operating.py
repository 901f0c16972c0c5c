"""Operating: what a person does to single jobs and debts. Each is all or nothing, and stands in the audit with its actor."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chat_hygiene.core.debts import DebtState
from chat_hygiene.core.errors import UsageError
from chat_hygiene.core.states import JobEvent, JobState
from chat_hygiene.pipeline import debts as looking
from chat_hygiene.pipeline import seal
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.providers import registry
from chat_hygiene.store import debts, handwork, moves, policies
from chat_hygiene.store.handwork import Handled
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.wiring.ledger import Ledger

PATIENCE = timedelta(hours=1)
"""How long somebody who asks for a look at once is kept waiting, at most."""

UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
"""What a typed text may not hold: control characters, and bytes that were no UTF-8."""

_NOT_RETRIED = {
    JobState.LEASED: "is being worked just now: ask again in a moment",
    JobState.SENT: "has its call out just now: ask again in a moment",
    JobState.DELETED: "deleted its chat: nothing is left to try",
    JobState.ALREADY_GONE: "found its chat gone: nothing is left to try",
    JobState.REMOVED_LOCALLY: "removed its chat here: `chat-hygiene debt retry` looks for it in WhatsApp",
    JobState.CANCELLED: "was cancelled: a run of its policy queues the chat again while it matches",
}
_CLOSED = {
    DebtState.SETTLED: "is settled",
    DebtState.SUPERSEDED: "is closed: its chat came back as a new conversation",
    DebtState.ABANDONED: "was abandoned: its chat's id is erased, so that nobody can look for it",
    DebtState.WRITTEN_OFF: "is written off",
}


def retry_jobs(
    ledger: Ledger, job_ids: Sequence[int], *, because: str | None = None, force_because: str | None = None
) -> None:
    """Queues failed, quarantined or waiting jobs to be tried from the start, now or when their grace is over.

    `because`: a reason to note. With `force_because` WhatsApp's refusal is overridden: the call is forced even where the policy does not allow it.
    Whatever else the gate asks for stays asked. Raises UsageError with one line per job that cannot be tried.
    """
    for reason in (because, force_because):
        if reason is not None:
            check_reason(reason)
    with ledger.writing() as session:
        now, actor = ledger.now(), ledger.settings.actor
        forced = force_because is not None
        found = handwork.take(session, job_ids)
        for job in _checked(found, job_ids, lambda job: _no_retry(session, job, forced=forced)):
            values = {
                "next_attempt_at": max(now, job.not_before),
                "attempts": 0,
                "crashes": 0,
                "first_failed_at": None,
                "refused_at": None,
                "force": forced,
                "forced_by": actor if forced else None,
            }
            noted = {"because": because} if because is not None else None
            detail = {"forced": True, "because": force_because} if forced else noted
            try:
                moves.move(
                    session, job.id, JobEvent.REQUEUE, now=now, actor=actor, values=values, detail=detail
                )
            except IntegrityError:
                raise UsageError(f"job {job.id}: another one was queued for its chat just now") from None


def cancel_jobs(ledger: Ledger, job_ids: Sequence[int], *, reason: str) -> None:
    """Cancels queued jobs. Raises UsageError with one line per job that is not, or has a call out."""
    check_reason(reason)
    with ledger.writing() as session:
        now, actor = ledger.now(), ledger.settings.actor
        for job in _checked(handwork.take(session, job_ids), job_ids, _no_cancel):
            detail = {"clause": "operator", "because": reason}
            moves.move(session, job.id, JobEvent.CANCEL, now=now, actor=actor, detail=detail)


def retry_debts(ledger: Ledger, job_ids: Sequence[int] | None) -> int:
    """Plans a look at the debts of these jobs, or at every open one, for now. Returns how many.

    Raises UsageError with one line per job whose debt is not open.
    """
    with ledger.writing() as session:
        if job_ids is not None:
            _checked(handwork.look(session, job_ids), job_ids, _no_look)
        return debts.look_now(session, job_ids, now=ledger.now())


def look_at_debts(ledger: Ledger) -> looking.Report:
    """Looks at every debt that is due, in this process. Raises InvalidInputError without a token."""
    context = ledger.context

    async def work() -> looking.Report:
        reader = registry.open_reader(context.settings, context.clock)
        now = context.clock()
        try:
            return await looking.run(
                context, reader, pacer=Pacer(context), now=now, until=now + PATIENCE, stop=lambda: False
            )
        finally:
            await reader.aclose()

    report = asyncio.run(work())
    seal.run(context)
    return report


def write_off(ledger: Ledger, job_id: int, *, reason: str) -> None:
    """Gives up a debt that is open or abandoned; the chat's id is erased. Raises UsageError."""
    check_reason(reason)
    with ledger.writing() as session:
        (job,) = _checked(handwork.look(session, [job_id]), [job_id], _no_write_off)
        # Not locked by the look, because the chat is locked before its debts: it may be closed by now.
        closed = debts.close(
            session,
            job.chat_id,
            DebtState.WRITTEN_OFF,
            now=ledger.now(),
            actor=ledger.settings.actor,
            job_id=job_id,
            detail={"because": reason},
        )
        if not closed:
            raise UsageError(f"job {job_id}: its debt was closed just now")


def check_reason(reason: str) -> None:
    """Raises UsageError for a reason that says nothing, holds what looks like a phone number, or is no text."""
    if not reason.strip():
        raise UsageError("the reason is empty", fix="say in a few words why: it stands in the audit")
    if mask_numbers(reason) != reason:
        raise UsageError(
            "the reason holds what looks like a phone number, and the audit keeps it for good",
            fix="name the chat by its pseudonym: chat-hygiene jobs list --json shows it",
        )
    if UNWRITABLE.search(reason):
        raise UsageError("the reason is no plain text in one line", fix="write it without control characters")


def _checked(
    found: Mapping[int, Handled], job_ids: Sequence[int], refusal: Callable[[Handled], str | None]
) -> list[Handled]:
    refusals = {job_id: "there is none" for job_id in job_ids if job_id not in found}
    refusals |= {job.id: why for job in found.values() if (why := refusal(job)) is not None}
    if refusals:
        lines = [f"job {job_id}: {why}" for job_id, why in sorted(refusals.items())]
        raise UsageError("\n".join(lines), fix="nothing was changed; chat-hygiene jobs show JOB tells more")
    return list(found.values())


def _no_retry(session: Session, job: Handled, *, forced: bool) -> str | None:
    if job.state in _NOT_RETRIED:
        return _NOT_RETRIED[job.state]
    if job.holder is not None:
        return f"job {job.holder} has its chat by now"
    if job.chat_left:
        return "its chat left since: should it come back, a run of the policy decides about it"
    stored = policies.load_by_id(session, job.policy_id)
    if stored.state == "paused":
        return f"its policy {stored.policy.name} is paused, and its queue stands still until it is resumed"
    if not stored.enforces:
        return f"its policy {stored.policy.name} does not delete now: it would be cancelled"
    if forced and stored.policy.delete is not None and not stored.policy.delete.from_whatsapp:
        return f"its policy {stored.policy.name} asks nothing of WhatsApp: there is nothing to force"
    return None


def _no_cancel(job: Handled) -> str | None:
    if job.state is not JobState.QUEUED:
        return f"it is {job.state.replace('_', ' ')}, and only a queued one can be cancelled"
    return "a call is out whose outcome is read first" if job.call_out else None


def _no_look(job: Handled) -> str | None:
    if job.debt is None:
        return "it owes nothing"
    return None if job.debt is DebtState.OPEN else f"its debt {_CLOSED[job.debt]}"


def _no_write_off(job: Handled) -> str | None:
    return None if job.debt is DebtState.ABANDONED else _no_look(job)
