"""Erasing: what a person asks for by name: looked up, asked of the gate at once, and where each request stands.

The request is stored before anything is called, so that whatever is in the way now, a worker finishes it later.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from chat_hygiene.core.errors import Exit, ProviderError, UsageError
from chat_hygiene.core.events import Event
from chat_hygiene.core.states import OPEN_STATES, JobState
from chat_hygiene.pipeline import drain, erase, seal
from chat_hygiene.pipeline.erase import Request
from chat_hygiene.providers import registry
from chat_hygiene.store import audit, chats, devices, erasures, upcoming
from chat_hygiene.store import jobs as stored_jobs
from chat_hygiene.store.policies import ON_REQUEST
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.records import Record
from chat_hygiene.wiring import keyring
from chat_hygiene.wiring.ledger import Ledger
from chat_hygiene.wiring.naming import pseudonyms_of
from chat_hygiene.wiring.operating import check_reason
from chat_hygiene.wiring.running import Watcher, work_off

_TICKET = re.compile(r"[A-Za-z0-9#](?:[A-Za-z0-9#/_.:-]{0,63})")
# The number of a ticket after its project's letters; no number of a phone with its country code is so short.
_NUMBERED = re.compile(r"[A-Za-z]{2,}[-#]?[0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the job of one chat stands: its row, the clause that cancelled it, what keeps it back while it is queued."""

    job: Record
    clause: str | None
    blocked_by: str | None

    @property
    def waits(self) -> bool:
        """It has not ended: a worker finishes it."""
        return JobState(self.job["state"]) in OPEN_STATES


@dataclass(frozen=True, slots=True)
class Report:
    """What erasing did.

    Attributes:
        request: what was stored.
        stopped: why deleting is stopped, if it is.
        problem: why the account could not be reached, if so.
        jobs: the jobs of the chats, those of chats that had left before included.
    """

    request: Request
    stopped: str | None
    problem: ProviderError | None
    jobs: tuple[Standing, ...]

    @property
    def code(self) -> Exit:
        """What the command exits with."""
        states = {each.job["state"] for each in self.jobs}
        waiting = [each.job for each in self.jobs if each.waits]
        if self.stopped or JobState.CANCELLED in states:
            return Exit.SAFETY_STOP
        if states & {JobState.FAILED, JobState.QUARANTINED} or any(job["error_class"] for job in waiting):
            return Exit.SOME_FAILED
        return Exit.UNREACHABLE if waiting else Exit.DONE


def find(ledger: Ledger, chat: str, *, on: str | None = None) -> list[Record]:
    """Every chat of the person whose number, chat id or pseudonym this is, on whatever number; `on`: on that one only.

    Raises UsageError when there is none.
    """
    refs = pseudonyms_of(ledger, chat)
    with ledger.reading() as session:
        rows = chats.find(session, refs)
        known = devices.names(session)
    # A pseudonym is of one number; while the id is there, it leads to the others.
    wids = {row["wid"] for row in rows if row["wid"] is not None and row["chat_ref"] == chat}
    more = [ref for wid in wids for ref in pseudonyms_of(ledger, wid)]
    with ledger.reading() as session:
        rows = chats.find(session, [*refs, *more])
    if on is not None:
        if on not in known:
            raise UsageError(
                "no number has that id or alias",
                fix=f"known are: {', '.join(known) or 'none yet; chat-hygiene sync reads them'}",
            )
        rows = [row for row in rows if row["device_id"] == known[on]]
    if not rows:
        raise UsageError(
            "no such chat is stored, and nothing of it was stored now",
            fix="check the number, with its country code; or run chat-hygiene sync first",
        )
    return rows


def check(ledger: Ledger, rows: Sequence[Record], *, because: str, ticket: str) -> None:
    """Raises UsageError for what may not stand in the audit, SafetyStopError when one of the chats has to stay."""
    check_reason(because)
    check_ticket(ticket)
    with ledger.reading() as session:
        if found := erase.obstacles(ledger.context, session, rows, now=ledger.now()):
            raise erase.refusal(found)


def check_ticket(ticket: str) -> None:
    """Raises UsageError for a ticket that is none, or looks like a phone number: it stands in the audit and on certificates."""
    if not _TICKET.fullmatch(ticket):
        raise UsageError(
            "that is no ticket's name", fix="write at most 64 letters, digits and - # / _ . : like DPO-2041"
        )
    if mask_numbers(ticket) != ticket and not _NUMBERED.fullmatch(ticket):
        raise UsageError(
            "the ticket looks like a phone number, and it stands in the audit and on certificates",
            fix="write it with the letters of its project, like DPO-2041",
        )


def request(ledger: Ledger, rows: Sequence[Record], *, because: str, ticket: str) -> Request:
    """Stores a request for these chats, all of it or nothing, and seals. Raises UsageError or SafetyStopError."""
    check(ledger, rows, because=because, ticket=ticket)
    refs = [row["chat_ref"] for row in rows]
    stored = erase.run(ledger.context, refs, because=because, ticket=ticket, now=ledger.now())
    seal.run(ledger.context)
    return stored


def run(ledger: Ledger, rows: Sequence[Record], *, because: str, ticket: str, watcher: Watcher) -> Report:
    """Stores a request for these chats, then works it at once, as far as it can be.

    Raises UsageError or SafetyStopError as `request`, and InvalidInputError without a token: nothing is stored then.
    """
    keyring.require(ledger.context)
    asyncio.run(registry.open_reader(ledger.settings, ledger.context.clock).aclose())
    stored = request(ledger, rows, because=because, ticket=ticket)
    ids = [each.job_id for each in stored.chats if each.job_id is not None]
    drained, problem = drain.Report(0), None
    try:
        if not all(each.before for each in stored.chats):
            drained = work_off(ledger, ids, watcher=watcher)
    except ProviderError as error:
        problem = error
    with ledger.reading() as session:
        return Report(stored, drained.stopped, problem, tuple(_standing(session, ids)))


def listed(ledger: Ledger, *, limit: int | None) -> list[tuple[Record, Standing]]:
    """Erasures, newest first: each job with its run's requester and notes, and where it stands."""
    with ledger.reading() as session:
        return [(row, _stands(session, row)) for row in erasures.listing(session, limit=limit)]


def _standing(session: Session, job_ids: Sequence[int]) -> Iterator[Standing]:
    for job_id in job_ids:
        for job in stored_jobs.find(session, job_id=job_id):
            yield _stands(session, job)


def _stands(session: Session, job: Record) -> Standing:
    state, blocked = JobState(job["state"]), None
    if state is JobState.QUEUED:
        blocked = upcoming.blocked_by(session, job["device"], job["chat_ref"]).get(ON_REQUEST.name)
    cancelled = state is JobState.CANCELLED
    return Standing(job, _clause(audit.find(session, job_id=job["id"])) if cancelled else None, blocked)


def _clause(events: Sequence[Record]) -> str | None:
    told = [json.loads(each["detail"] or "{}") for each in events if each["kind"] == Event.JOB_CANCELLED]
    clause = told[-1].get("clause") if told else None
    return None if clause is None else str(clause)
