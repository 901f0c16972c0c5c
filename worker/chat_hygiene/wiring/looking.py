"""Looking: what faces show of the store. No provider is opened here, so nothing can be sent."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from chat_hygiene.core.errors import UsageError
from chat_hygiene.core.events import Event
from chat_hygiene.pipeline import explain as explaining
from chat_hygiene.pipeline import plan as plans
from chat_hygiene.pipeline import preview as previewing
from chat_hygiene.providers import registry
from chat_hygiene.store import audit, devices, files, runs, seals
from chat_hygiene.store import jobs as stored_jobs
from chat_hygiene.store import policies as stored_policies
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.records import Record
from chat_hygiene.wiring.ledger import Ledger
from chat_policies import Policy

_EXPORT_BATCH = 1000


def policies(ledger: Ledger, names: Sequence[str] | None = None) -> list[tuple[StoredPolicy, Record | None]]:
    """Stored policies by name, each with its newest run."""
    with ledger.reading() as session:
        return [(each, runs.last(session, each.id)) for each in stored_policies.load(session, names)]


def preview(
    ledger: Ledger, wanted: Sequence[Policy], *, now: datetime, at: datetime | None = None
) -> previewing.Report:
    """Every chat that these policies would delete now, or at an instant to come.

    Raises chat_policies.UnknownDeviceError.
    """
    with ledger.reading() as session:
        return previewing.run(session, wanted, ledger.settings, now=now, at=at)


def plan(ledger: Ledger, name: str | None, *, now: datetime) -> tuple[previewing.Report, plans.Plan]:
    """What one stored policy that enforces, or all of them, would delete now, to be looked at, and as a plan.

    Raises UsageError when there is nothing that a plan could be of.
    """
    with ledger.reading() as session:
        stored = _planned(stored_policies.load(session, None if name is None else [name]), name)
        report = previewing.run(session, [each.policy for each in stored], ledger.settings, now=now)
    if not report.live_chats:
        raise UsageError(
            "no chat is stored yet: there is nothing to plan", fix="chat-hygiene sync reads them"
        )
    planned = [
        plans.Planned.of(seen.policy.name, each.version, seen.going)
        for each, seen in zip(stored, report.previews, strict=True)
    ]
    return report, plans.make(planned, now=now, lasts=ledger.settings.approval_expiry_seconds)


def _planned(found: Sequence[StoredPolicy], name: str | None) -> list[StoredPolicy]:
    enforcing = [each for each in found if each.enforces]
    if enforcing:
        return enforcing
    fix = "chat-hygiene policy list shows what is stored; policy apply FILE stores a document"
    if name is None:
        raise UsageError("no policy enforces: a plan would be empty", fix=fix)
    if not found or found[0].policy.action != "delete":
        raise UsageError(
            f"no delete policy is stored under the name {name}: a plan is of stored ones", fix=fix
        )
    does = "observes" if found[0].state == "active" else f"is {found[0].state}"
    raise UsageError(f"{name} {does}: it deletes nothing, so there is nothing to plan", fix=fix)


def save_plan(ledger: Ledger, plan: plans.Plan, file: Path) -> None:
    """Writes a plan for `run --plan`, for its owner's eyes only. Raises UsageError; nothing is ever written over."""
    try:
        new = files.write_new(file, plans.write(plan, ledger.context.keys.audit_key))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", fix="name another file") from None
    if not new:
        raise UsageError(
            f"{file} is there already, and nothing is written over", fix="name another file, or remove it"
        )


def explain(ledger: Ledger, chat: str, *, now: datetime) -> list[explaining.Report]:
    """Why a chat (number, chat id or pseudonym) goes or stays, once per device that has it."""
    with ledger.reading() as session:
        return explaining.run(session, pseudonyms_of(ledger, chat), ledger.settings, now=now)


def jobs(
    ledger: Ledger,
    *,
    job_id: int | None = None,
    state: str | None = None,
    chat: str | None = None,
    debt: bool = False,
    limit: int | None = None,
) -> list[Record]:
    """Delete jobs, newest first."""
    refs = None if chat is None else pseudonyms_of(ledger, chat)
    with ledger.reading() as session:
        return stored_jobs.find(session, job_id=job_id, state=state, chat_refs=refs, debt=debt, limit=limit)


def audit_events(
    ledger: Ledger, *, chat: str | None = None, job_id: int | None = None, limit: int | None = None
) -> Sequence[Record]:
    """Audit events, newest first."""
    refs = None if chat is None else pseudonyms_of(ledger, chat)
    with ledger.reading() as session:
        return audit.find(session, chat_refs=refs, job_id=job_id, limit=limit, newest_first=True)


def export_audit(ledger: Ledger, *, chat: str | None = None) -> Iterator[Record]:
    """Every event, oldest first, in flat memory; the export is an event itself, and sealed."""
    refs = None if chat is None else pseudonyms_of(ledger, chat)
    with ledger.writing() as session:
        audit.append(session, Event.AUDIT_EXPORTED, at=ledger.now(), actor=ledger.settings.actor)
    last = 0
    while True:
        with ledger.reading() as session:
            rows = audit.find(session, chat_refs=refs, after=last, limit=_EXPORT_BATCH)
        yield from rows
        if len(rows) < _EXPORT_BATCH:
            return
        last = rows[-1]["seq"]


def verify_audit(ledger: Ledger, progress: Callable[[int], None] | None = None) -> seals.Verdict:
    """Whether the audit holds, event by event."""
    with ledger.reading() as session:
        return seals.verify(session, ledger.context.keys.audit_key, progress)


def pseudonyms_of(ledger: Ledger, chat: str) -> list[str]:
    """The pseudonyms that a number, a chat id or a pseudonym may be stored under, on every device."""
    if chat.startswith("chat_"):
        return [chat]
    wid = chat if "@" in chat else f"{re.sub(r'[^0-9]', '', chat)}@c.us"
    known = ledger.context.keys.pseudonyms
    with ledger.reading() as session:
        return [
            ref for each in devices.load(session) for ref in known.refs(registry.DEFAULT, each.device, wid)
        ]
