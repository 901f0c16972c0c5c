"""The gate: the one place in the product that lets a DELETE go out (law 4).

It stores the fresh read, evaluates the current version of the policy, the keep-policies and the holds on that row, asks
the stop switch and the fence, and commits the intent: all in one transaction. Whatever it does not pass, cancels the
job or hands it back, with the reason.

Several jobs that stand before it at the same time go through it together: what is the same for all is asked once, and
nobody can change it before all their intents are stored (`switches.enter_gate`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from chat_hygiene.core.decisions import Intent
from chat_hygiene.core.errors import UnreadablePolicyError
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.settings import MAX_READ_AGE
from chat_hygiene.store import devices, fresh, holds, moves, policies, switches
from chat_hygiene.store.devices import Device
from chat_hygiene.store.jobs import Job
from chat_hygiene.store.moves import Move
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.tables import chats as chat_rows
from chat_hygiene.store.tables import jobs as job_rows
from chat_policies import Policy, UnknownDeviceError

UNREADABLE = timedelta(hours=1)
"""How long a job waits whose policy, or any keep-policy, this program cannot read."""
PAUSED = timedelta(hours=1)
"""How long a job waits whose policy was paused after it was claimed, or whose call was out then."""

_asked = job_rows.c
# Built once, and no wider than what is asked of a job: every DELETE comes through here.
_LOCKED = (
    select(_asked.id, _asked.state, _asked.fence, _asked.version, _asked.not_before)
    .where(_asked.id.in_(bindparam("ids", expanding=True)))
    .order_by(_asked.id)
    .with_for_update()
)


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


@dataclass(frozen=True, slots=True)
class Ask:
    """A leased job whose chat was read as `facts` at `read_at`."""

    job: Job
    facts: ChatFacts
    read_at: datetime


_Verdict = _Call | _Wait | str
"""The call to make, or a reason to wait, or the name of the clause that cancels the job."""


def run(context: Context, asks: Sequence[Ask], *, now: datetime) -> list[Pass | Refusal]:
    """Decides on each of these jobs, in one transaction."""
    with context.sessions.begin() as session:
        switches.enter_gate(session)
        rows = {row.id: row for row in session.execute(_LOCKED, {"ids": [ask.job.id for ask in asks]})}
        held = [ask for ask in asks if _holds(ask.job, rows[ask.job.id])]
        # Never over what somebody else read later, or a webhook told of later: that is the newer truth.
        stored = fresh.store(session, {ask.job.chat_id: (ask.facts, ask.read_at) for ask in held})
        verdicts = _verdicts(
            context, session, [ask for ask in held if ask.job.chat_id in stored], rows, now=now
        )
        too_old = _Wait("read too old", now + context.settings.retry_base_seconds)
        moving: list[Move] = []
        answers = {
            job.claim: _answer(
                context, moving, job, *verdicts.get(job.id, (too_old, rows[job.id].version)), now=now
            )
            for job in (ask.job for ask in held)
        }
        moves.move_all(session, moving, now=now, actor=context.actor)
    return [answers.get(ask.job.claim, Refusal(None)) for ask in asks]


def _holds(job: Job, row: Row[*tuple[Any, ...]]) -> bool:
    return not (row.fence != job.fence or row.state != "leased")


def _answer(
    context: Context, moving: list[Move], job: Job, verdict: _Verdict, version: int, *, now: datetime
) -> Pass | Refusal:
    """What a verdict means for whoever asked; the job's move is added to `moving`."""

    def move(event: JobEvent, detail: Mapping[str, object], **values: object) -> None:
        moving.append(Move(job.id, event, job.fence, {"version": version, **values}, detail))

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


def _verdicts(
    context: Context,
    session: Session,
    asks: Sequence[Ask],
    rows: Mapping[int, Row[*tuple[Any, ...]]],
    *,
    now: datetime,
) -> dict[int, tuple[_Verdict, int]]:
    """By job id the verdict, and the version of the policy that was asked."""
    unreadable = _Wait("unreadable policy", now + UNREADABLE)
    their = {row.id: row for row in devices.load(session, {ask.job.device_id for ask in asks})}
    reason = stopped(context, session)
    found: dict[int, tuple[_Verdict, int]] = {}
    for policy_id in {ask.job.policy_id for ask in asks}:
        its = [ask for ask in asks if ask.job.policy_id == policy_id]
        try:
            stored = policies.load_by_id(session, policy_id)
        except UnreadablePolicyError:
            # Perhaps of a newer program: what it says nobody here knows.
            found |= {ask.job.id: (unreadable, rows[ask.job.id].version) for ask in its}
            continue
        if reason is not None or stored.state == "paused":
            soon = now + context.settings.retry_base_seconds
            wait = _Wait("paused", now + PAUSED) if reason is None else _Wait(reason, soon)
            found |= {ask.job.id: (wait, stored.version) for ask in its}
            continue
        failing = _failing_clauses(context, session, its, stored, now=now)
        for ask in its:
            row = rows[ask.job.id]
            verdict: _Verdict = failing.get(ask.job.id) or _verdict(
                context, ask, stored.policy, their[ask.job.device_id], row.not_before, now=now
            )
            found[ask.job.id] = (verdict, row.version if verdict == unreadable else stored.version)
    return found


def _verdict(
    context: Context, ask: Ask, policy: Policy, device: Device, not_before: datetime, *, now: datetime
) -> _Call | _Wait:
    """Of a job that no clause cancels."""
    soon = now + context.settings.retry_base_seconds
    if not_before > now:
        # Its policy got a longer grace since it was claimed.
        return _Wait("grace", not_before)
    offline = rules.given_up(device, policy, now=now)
    if device.blocked_reason is not None or not (device.online or offline):
        return _Wait("device", soon)
    if (until := device.waits_until(now)) is not None:
        return _Wait("device", until)
    if now - ask.read_at > MAX_READ_AGE:
        return _Wait("read too old", soon)
    return _call(policy, ask.job, device, offline=offline, now=now)


def _failing_clauses(
    context: Context, session: Session, asks: Sequence[Ask], stored: StoredPolicy, *, now: datetime
) -> dict[int, _Wait | str]:
    """By job id the first clause that does not let its chat go, or why nobody can tell yet; jobs of one policy."""
    if not stored.enforces:
        why = "policy." + (stored.state if stored.state != "active" else "observes")
        return {ask.job.id: why for ask in asks}
    found: dict[int, _Wait | str] = {}
    held_since = holds.ended_since(chat_rows, job_rows.c.queued_at, now=now).label("held_since")
    seen = {
        row.id: row
        for row in session.execute(
            select(job_rows.c.id, chat_rows.c.generation, chat_rows.c.removed_at, held_since)
            .join(chat_rows, chat_rows.c.id == job_rows.c.chat_id)
            .where(job_rows.c.id.in_([ask.job.id for ask in asks]))
        )
    }
    for job in (ask.job for ask in asks):
        chat = seen[job.id]
        if chat.generation != job.generation or chat.removed_at is not None:
            found[job.id] = "generation"
        elif chat.held_since:
            # The hold is over, and what was queued before its end stays void: the next run grants a fresh grace.
            found[job.id] = "hold"
    rest = {ask.job.chat_id: ask.job.id for ask in asks if ask.job.id not in found}
    try:
        compiled = rules.clauses(session, stored.policy, context.settings, now=now)
    except UnknownDeviceError:
        return found | dict.fromkeys(rest.values(), "device")
    except UnreadablePolicyError:
        # A keep-policy: it may keep any of them.
        return found | dict.fromkeys(rest.values(), _Wait("unreadable policy", now + UNREADABLE))
    query = compiled.explain(chat_rows).where(chat_rows.c.id.in_(list(rest)))
    asked = {row.id: compiled.read_explain(row) for row in session.execute(query)}
    for chat_id, job_id in rest.items():
        # A chat that was not answered for is an error, and no delete.
        failed = (each.clause.name for each in asked[chat_id] if not each.holds)
        if (clause := next(failed, None)) is not None:
            found[job_id] = clause
    return found


def _call(policy: Policy, job: Job, device: Device, *, offline: bool, now: datetime) -> _Call:
    assert policy.delete is not None  # noqa: S101 - an enforcing policy has its deletion options
    if not policy.delete.from_whatsapp:
        return _Call(Intent.PLATFORM)
    if offline:
        assert device.last_online_at is not None  # noqa: S101 - what was never seen online is not given up
        return _Call(Intent.FORCE, now - device.last_online_at)
    forced = job.force and (policy.delete.force_local or job.forced_by is not None)
    return _Call(Intent.FORCE if forced else Intent.WHATSAPP)
