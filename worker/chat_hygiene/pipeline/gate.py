"""The gate: the one place in the product that lets a DELETE go out (law 4).

It stores the fresh read, evaluates the current version of the policy, the keep-policies and the holds on that row, asks
the stop switch and the fence, and commits the intent: all in one transaction. Whatever it does not pass, cancels the
job or hands it back, with the reason.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from chat_hygiene.core.decisions import Intent
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.settings import MAX_READ_AGE
from chat_hygiene.store import chats, devices, moves, policies, switches
from chat_hygiene.store.jobs import Job
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.tables import chats as chat_rows
from chat_hygiene.store.tables import jobs as job_rows
from chat_policies import Policy, UnknownDeviceError


@dataclass(frozen=True, slots=True)
class Pass:
    """The intent is stored: make this call, now."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Refusal:
    """No call. `clause` says what failed; None when the job is another worker's by now. `waits`: it was handed back."""

    clause: str | None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class _Wait:
    reason: str
    until: datetime


def run(context: Context, job: Job, facts: ChatFacts, *, read_at: datetime, now: datetime) -> Pass | Refusal:
    """Decides on one leased job whose chat was read as `facts` at `read_at`."""
    with context.sessions.begin() as session:
        switches.enter_gate(session)
        row = session.execute(select(job_rows).where(job_rows.c.id == job.id).with_for_update()).one()
        if row.fence != job.fence or row.state != "leased":
            return Refusal(None)
        chats.store_read(session, job.chat_id, facts, now=read_at)
        verdict, version = _verdict(context, session, job, read_at=read_at, now=now)

        def move(event: JobEvent, detail: dict[str, str], **values: object) -> None:
            moves.move(
                session,
                job.id,
                event,
                now=now,
                actor=context.actor,
                fence=job.fence,
                values={"version": version, **values},
                detail=detail,
            )

        match verdict:
            case Intent():
                until = now + context.settings.lease_seconds
                move(
                    JobEvent.INTEND,
                    {"intent": verdict},
                    intent=verdict.value,
                    intent_at=now,
                    lease_until=until,
                )
                return Pass(verdict)
            case _Wait(reason, until):
                move(JobEvent.RELEASE, {"reason": reason}, next_attempt_at=until)
                return Refusal(reason, waits=True)
            case clause:
                move(JobEvent.CANCEL, {"clause": clause})
                return Refusal(clause)


def _verdict(
    context: Context, session: Session, job: Job, *, read_at: datetime, now: datetime
) -> tuple[Intent | _Wait | str, int]:
    """The call to make, or a reason to wait, or the name of the clause that cancels the job; and the version asked."""
    stored = policies.load_by_id(session, job.policy_id)
    return (
        _all_stop(context, session, now=now)
        or _failing_clause(context, session, job, stored, now=now)
        or _device_waits(context, session, job, read_at=read_at, now=now)
        or _intent(stored.policy, job)
    ), stored.version


def _all_stop(context: Context, session: Session, *, now: datetime) -> _Wait | None:
    soon = now + context.settings.retry_base_seconds
    if switches.stopped(session) is not None:
        return _Wait("stopped", soon)
    return _Wait("read only", soon) if context.settings.read_only else None


def _failing_clause(
    context: Context, session: Session, job: Job, stored: StoredPolicy, *, now: datetime
) -> str | None:
    if not stored.enforces:
        return "policy." + (stored.state if stored.state != "active" else "observes")
    chat = session.execute(
        select(chat_rows.c.generation, chat_rows.c.removed_at).where(chat_rows.c.id == job.chat_id)
    ).one()
    if chat.generation != job.generation or chat.removed_at is not None:
        return "generation"
    try:
        compiled = rules.clauses(session, stored.policy, context.settings, now=now)
    except UnknownDeviceError:
        return "device"
    query = compiled.explain(chat_rows).where(chat_rows.c.id == job.chat_id)
    verdicts = compiled.read_explain(session.execute(query).one())
    return next((each.clause.name for each in verdicts if not each.holds), None)


def _device_waits(
    context: Context, session: Session, job: Job, *, read_at: datetime, now: datetime
) -> _Wait | None:
    (device,) = devices.load(session, [job.device_id])
    if device.blocked_reason is not None or not device.online:
        return _Wait("device", now + context.settings.retry_base_seconds)
    if (until := device.waits_until(now)) is not None:
        return _Wait("device", until)
    soon = now + context.settings.retry_base_seconds
    return _Wait("read too old", soon) if now - read_at > MAX_READ_AGE else None


def _intent(policy: Policy, job: Job) -> Intent:
    assert policy.delete is not None  # noqa: S101 - an enforcing policy has its deletion options
    if not policy.delete.from_whatsapp:
        return Intent.PLATFORM
    return Intent.FORCE if job.force and policy.delete.force_local else Intent.WHATSAPP
