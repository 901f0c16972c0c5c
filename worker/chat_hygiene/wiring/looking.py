"""Looking: what faces show of the store. No provider is opened here, so nothing can be sent."""

from collections.abc import Sequence
from datetime import datetime

from chat_hygiene.core.errors import UnreadablePolicyError
from chat_hygiene.pipeline import explain as explaining
from chat_hygiene.pipeline import preview as previewing
from chat_hygiene.store import audit, runs
from chat_hygiene.store import chats as stored_chats
from chat_hygiene.store import jobs as stored_jobs
from chat_hygiene.store import policies as stored_policies
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.records import Record
from chat_hygiene.wiring.ledger import Ledger
from chat_hygiene.wiring.naming import pseudonyms_of
from chat_policies import Policy


def policies(ledger: Ledger, names: Sequence[str] | None = None) -> list[tuple[StoredPolicy, Record | None]]:
    """Stored policies by name, each with its newest run; of all, without those that are `unreadable`.

    Raises UnreadablePolicyError for one of those named.
    """
    with ledger.reading() as session:
        return [(each, runs.last(session, each.id)) for each in stored_policies.load(session, names)]


def unreadable(ledger: Ledger) -> list[UnreadablePolicyError]:
    """What is to be told of each stored policy that this program cannot read."""
    with ledger.reading() as session:
        return stored_policies.unreadable(session)


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


def chats(ledger: Ledger, refs: Sequence[str]) -> list[Record]:
    """The stored chats that have one of these pseudonyms, with the id and the alias of their number."""
    with ledger.reading() as session:
        return stored_chats.find(session, refs)


def chats_of(ledger: Ledger, chat: str) -> list[Record]:
    """The same by a number, a chat id or a pseudonym. Raises UsageError when it can be the name of no chat."""
    return chats(ledger, pseudonyms_of(ledger, chat))


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
