"""The gate: the one place in the product that lets a DELETE go out (law 4).

It stores the fresh read, evaluates the current version of the policy, the keep-policies and the holds on that row, asks
the stop switch and the fence, and commits the intent: all in one transaction. Whatever it does not pass, cancels the
job or hands it back, with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from chat_hygiene.core.decisions import Intent
from chat_hygiene.core.errors import UnreadablePolicyError
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.settings import MAX_READ_AGE
from chat_hygiene.store import chats, devices, holds, moves, policies, switches
from chat_hygiene.store.devices import Device
from chat_hygiene.store.jobs import Job
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.tables import chats as chat_rows
from chat_hygiene.store.tables import jobs as job_rows
from chat_policies import Policy, UnknownDeviceError

UNREADABLE = timedelta(hours=1)
"""How long a job waits whose policy, or any keep-policy, this program cannot read."""
PAUSED = timedelta(hours=1)
"""How long a job waits whose policy was paused after it was claimed, or whose call was out then."""


@dataclass(frozen=True, slots=True)
class Pass:
    """The intent is stored: make this call, now. `offline`: by force, because WhatsApp cannot be reached through its device."""

    intent: Intent
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """No call. `clause` says what failed; None when the job is another worker's by now. `waits`: it was handed back."""

    clause: str | None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class _Wait:
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class _Call:
    intent: Intent
    offline_for: timedelta | None = None
    """How old the facts may be: for so long the device has told nothing of WhatsApp, and the policy waits no longer."""


def run(context: Context, job: Job, facts: ChatFacts, *, read_at: datetime, now: datetime) -> Pass | Refusal:
    """Decides on one leased job whose chat was read as `facts` at `read_at`."""
    with context.sessions.begin() as session:
        switches.enter_gate(session)
        row = session.execute(select(job_rows).where(job_rows.c.id == job.id).with_for_update()).one()
        if row.fence != job.fence or row.state != "leased":
            return Refusal(None)
        verdict: _Call | _Wait | str = _Wait("read too old", now + context.settings.retry_base_seconds)
        version = row.version
        # Never over what somebody else read later, or a webhook told of later: that is the newer truth.
        if chats.store_read(session, job.chat_id, facts, read_at=read_at):
            try:
                verdict, version = _verdict(
                    context, session, job, not_before=row.not_before, read_at=read_at, now=now
                )
            except UnreadablePolicyError:
                # The job's policy or a keep-policy, perhaps of a newer program: what it says nobody here knows.
                verdict = _Wait("unreadable policy", now + UNREADABLE)

        def move(event: JobEvent, detail: Mapping[str, object], **values: object) -> None:
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
            case _Call(intent, offline_for):
                until = now + context.settings.lease_seconds
                detail: dict[str, object] = {"intent": intent}
                if offline_for is not None:
                    detail["offline_seconds"] = int(offline_for.total_seconds())
                move(JobEvent.INTEND, detail, intent=intent.value, intent_at=now, lease_until=until)
                return Pass(intent, offline=offline_for is not None)
            case _Wait(reason, until):
                move(JobEvent.RELEASE, {"reason": reason}, next_attempt_at=until)
                return Refusal(reason, waits=True)
            case clause:
                move(JobEvent.CANCEL, {"clause": clause})
                return Refusal(clause)


def stopped(context: Context, session: Session) -> str | None:
    """Why nothing at all may leave now, if so."""
    if switches.stopped(session) is not None:
        return "stopped"
    return "read only" if context.settings.read_only else None


def _verdict(
    context: Context,
    session: Session,
    job: Job,
    *,
    not_before: datetime,
    read_at: datetime,
    now: datetime,
) -> tuple[_Call | _Wait | str, int]:
    """The call to make, or a reason to wait, or the name of the clause that cancels the job; and the version asked."""
    stored = policies.load_by_id(session, job.policy_id)
    soon = now + context.settings.retry_base_seconds
    if (reason := stopped(context, session)) is not None:
        return _Wait(reason, soon), stored.version
    if stored.state == "paused":
        return _Wait("paused", now + PAUSED), stored.version
    if (clause := _failing_clause(context, session, job, stored, now=now)) is not None:
        return clause, stored.version
    if not_before > now:
        # Its policy got a longer grace since it was claimed.
        return _Wait("grace", not_before), stored.version
    (device,) = devices.load(session, [job.device_id])
    offline = rules.given_up(device, stored.policy, now=now)
    if device.blocked_reason is not None or not (device.online or offline):
        return _Wait("device", soon), stored.version
    if (until := device.waits_until(now)) is not None:
        return _Wait("device", until), stored.version
    if now - read_at > MAX_READ_AGE:
        return _Wait("read too old", soon), stored.version
    return _call(stored.policy, job, device, offline=offline, now=now), stored.version


def _failing_clause(
    context: Context, session: Session, job: Job, stored: StoredPolicy, *, now: datetime
) -> str | None:
    if not stored.enforces:
        return "policy." + (stored.state if stored.state != "active" else "observes")
    queued_at = select(job_rows.c.queued_at).where(job_rows.c.id == job.id).scalar_subquery()
    held_since = holds.ended_since(chat_rows, queued_at, now=now).label("held_since")
    columns = (chat_rows.c.generation, chat_rows.c.removed_at, held_since)
    chat = session.execute(select(*columns).where(chat_rows.c.id == job.chat_id)).one()
    if chat.generation != job.generation or chat.removed_at is not None:
        return "generation"
    if chat.held_since:
        # The hold is over, and what was queued before its end stays void: the next run grants a fresh grace.
        return "hold"
    try:
        compiled = rules.clauses(session, stored.policy, context.settings, now=now)
    except UnknownDeviceError:
        return "device"
    query = compiled.explain(chat_rows).where(chat_rows.c.id == job.chat_id)
    verdicts = compiled.read_explain(session.execute(query).one())
    return next((each.clause.name for each in verdicts if not each.holds), None)


def _call(policy: Policy, job: Job, device: Device, *, offline: bool, now: datetime) -> _Call:
    assert policy.delete is not None  # noqa: S101 - an enforcing policy has its deletion options
    if not policy.delete.from_whatsapp:
        return _Call(Intent.PLATFORM)
    if offline:
        assert device.last_online_at is not None  # noqa: S101 - what was never seen online is not given up
        return _Call(Intent.FORCE, now - device.last_online_at)
    forced = job.force and (policy.delete.force_local or job.forced_by is not None)
    return _Call(Intent.FORCE if forced else Intent.WHATSAPP)
