"""Recalling: what was done, what failed, what is owed and who changed what, each page by page or day by day."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from sqlalchemy.orm import Session

from chat_hygiene.store import altering, daily, failing, owing
from chat_hygiene.store.daily import OUTCOMES
from chat_hygiene.store.records import Record
from chat_hygiene.wiring.ledger import Ledger

__all__ = ["OUTCOMES", "Key", "Part", "changes", "counted", "debts", "deletions", "failures", "without_end"]

_AT_ONCE = 1000

Key = tuple[datetime, int]
"""Where a page ends: an instant and a row's id."""


@dataclass(frozen=True, slots=True)
class Part:
    """One page of a long list. `next`: where the next one begins; None: there is none."""

    rows: tuple[Record, ...]
    next: Key | None


class _Page(Protocol):
    def __call__(self, session: Session, *, limit: int, after: Key | None) -> list[Record]: ...


def failures(ledger: Ledger, *, after: Key | None, size: int) -> Part:
    """Jobs that failed and have not succeeded since, the latest failure first."""
    return _part(ledger, failing.page, ("last_failed_at", "job_id"), after, size)


def debts(ledger: Ledger, *, after: Key | None, size: int) -> Part:
    """Chats that were removed here and may still be in WhatsApp, the oldest first."""
    return _part(ledger, owing.page, ("opened_at", "job_id"), after, size)


def changes(ledger: Ledger, *, after: Key | None, size: int) -> Part:
    """Changes of policies, holds and the stop switch, the latest first."""
    return _part(ledger, altering.page, ("at", "seq"), after, size)


def without_end(page: Callable[..., Part], ledger: Ledger) -> Iterator[Record]:
    """All rows of one of these lists, in flat memory."""
    after: Key | None = None
    while True:
        part = page(ledger, after=after, size=_AT_ONCE)
        yield from part.rows
        if (after := part.next) is None:
            return


def counted(ledger: Ledger, since: date, until: date) -> list[Record]:
    """Outcomes by UTC day and policy, of both days and those between."""
    with ledger.reading() as session:
        return daily.by_policy(session, since, until)


def deletions(ledger: Ledger, since: date, until: date) -> list[Record]:
    """The same by number, too."""
    with ledger.reading() as session:
        return daily.rows(session, since, until)


def _part(ledger: Ledger, page: _Page, key: tuple[str, str], after: Key | None, size: int) -> Part:
    with ledger.reading() as session:
        rows = page(session, limit=size + 1, after=after)
    more, rows = len(rows) > size, rows[:size]
    return Part(tuple(rows), (rows[-1][key[0]], rows[-1][key[1]]) if more else None)
