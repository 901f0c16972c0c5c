"""Looking: what faces show of the store. No provider is opened here, so nothing can be sent."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from chat_hygiene.core.events import Event
from chat_hygiene.pipeline import explain as explaining
from chat_hygiene.pipeline import preview as previewing
from chat_hygiene.providers import registry
from chat_hygiene.store import audit, devices, runs, seals
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
    wid = wid_of(chat)
    known = ledger.context.keys.pseudonyms
    with ledger.reading() as session:
        return [
            ref for each in devices.load(session) for ref in known.refs(registry.DEFAULT, each.device, wid)
        ]


def wid_of(chat: str) -> str:
    """The chat id that a number, written in whatever way, or a chat id stands for."""
    return chat if "@" in chat else f"{re.sub(r'[^0-9]', '', chat)}@c.us"
