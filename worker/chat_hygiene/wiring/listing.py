"""Listing: what leaves soon, page by page, with what keeps it back and what is withheld beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from chat_hygiene.store import devices, leaving, troubles, upcoming
from chat_hygiene.store.devices import Device
from chat_hygiene.store.leaving import Queue
from chat_hygiene.store.records import Record
from chat_hygiene.wiring.ledger import Ledger

_AT_ONCE = 1000

Key = tuple[datetime, int]
"""Where a page ends: when its last chat may leave, and the job."""


@dataclass(frozen=True, slots=True)
class Soon:
    """One page.

    Attributes:
        rows: what leaves next, soonest first, each with `blocked_by` as `report_v1_upcoming` has it.
        next: where the next page begins; None: there is none.
        queues: every policy's queue.
        numbers: those that can be chosen.
        awaiting: the runs whose chats leave only once somebody approves, as `troubles` has them.
    """

    rows: tuple[Record, ...]
    next: Key | None
    queues: tuple[Queue, ...]
    numbers: tuple[Device, ...]
    awaiting: tuple[Record, ...]


def leaving_soon(
    ledger: Ledger, *, policy: str | None, device: str | None, after: Key | None, size: int, most: int
) -> Soon:
    """A page of the queue, of one policy and one number if they are given; a queue is counted up to `most`."""
    with ledger.reading() as session:
        queues = tuple(leaving.queues(session, most=most))
        numbers = tuple(devices.load(session))
        wanted = [each.policy_id for each in queues if policy in {None, each.policy}]
        device_id = next((each.id for each in numbers if each.device == device), None)
        rows = leaving.page(session, wanted, device_id=device_id, after=after, limit=size + 1)
        more, rows = len(rows) > size, rows[:size]
        why = upcoming.blocked(session, {(row["device"], row["chat_ref"]) for row in rows})
        for row in rows:
            row["blocked_by"] = why.get((row["device"], row["chat_ref"]))
        awaiting = tuple(troubles.awaiting(session))
    end = (rows[-1]["not_before"], rows[-1]["job_id"]) if more else None
    return Soon(tuple(rows), end, queues, numbers, awaiting)


def all_leaving(ledger: Ledger, *, policy: str | None, device: str | None) -> Iterator[Record]:
    """The same without an end, in flat memory."""
    after: Key | None = None
    while True:
        page = leaving_soon(ledger, policy=policy, device=device, after=after, size=_AT_ONCE, most=1)
        yield from page.rows
        if (after := page.next) is None:
            return
