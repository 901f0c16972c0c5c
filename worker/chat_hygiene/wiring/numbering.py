"""The numbers of the account, each with whether it can be deleted by, and what it may still ask of the service."""

from dataclasses import dataclass
from datetime import datetime

from chat_hygiene.store import budgets, device_records, devices
from chat_hygiene.store.records import Record
from chat_hygiene.wiring.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Numbered:
    """One number.

    Attributes:
        row: as `store.device_records` has it.
        fresh: its data is fresh enough to delete by.
        left: requests that it may make at once, of `burst`.
    """

    row: Record
    fresh: bool
    left: int
    burst: int


def numbers(ledger: Ledger, *, now: datetime) -> list[Numbered]:
    """Every number that the account has, or had."""
    settings = ledger.settings
    per_minute = settings.requests_per_minute
    with ledger.reading() as session:
        fresh = devices.fresh_ids(session, now=now, freshness=settings.freshness_seconds)
        left = budgets.available(session, per_minute=per_minute)
        return [
            Numbered(row, row["id"] in fresh, int(left.get(row["id"], 0)), int(budgets.burst(per_minute)))
            for row in device_records.listing(session)
        ]
