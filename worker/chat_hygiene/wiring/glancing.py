"""Glancing: what a person needs to see first. Is anything deleted now, from what, how fresh, and is anything amiss?

Cheap enough for every page: small tables, and counts that end at `MOST`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chat_hygiene.store import devices, glance, switches, troubles
from chat_hygiene.store.devices import Device
from chat_hygiene.store.records import Record
from chat_hygiene.store.switches import Stop
from chat_hygiene.wiring.health import Health, health
from chat_hygiene.wiring.ledger import Ledger

LATELY = timedelta(days=7)
"""For so long a failure is news: after that a run of its policy queues its chat again."""


@dataclass(frozen=True, slots=True)
class Glance:
    """How it stands.

    Attributes:
        numbers: those that the account has, usable or not.
        stale: those of them whose data is too old to delete by.
        overdue: chats that should be gone and are not, up to `MOST`.
        owed: chats removed here that may still be in WhatsApp, up to `MOST`.
        failed: jobs that failed for good within `LATELY`, up to `MOST`.
        awaiting: runs that await an approval.
    """

    at: datetime
    stop: Stop | None
    read_only: bool
    per_minute: int
    health: Health
    numbers: tuple[Device, ...]
    stale: tuple[Device, ...]
    overdue: int
    owed: int
    failed: int
    awaiting: int

    @property
    def synced_at(self) -> datetime | None:
        """The last good sync of the usable number whose sync is longest ago; None: one was never synced, or there is none."""
        synced = [each.last_sync_at for each in self.numbers if each.usable]
        known = [at for at in synced if at is not None]
        return min(known) if synced and len(known) == len(synced) else None


def glance_at(ledger: Ledger, *, now: datetime) -> Glance:
    """How it stands now."""
    settings = ledger.settings
    with ledger.reading() as session:
        fresh = devices.fresh_ids(session, now=now, freshness=settings.freshness_seconds)
        numbers = tuple(each for each in devices.load(session) if each.status != "removed")
        return Glance(
            at=now,
            stop=switches.stopped(session),
            read_only=settings.read_only,
            per_minute=settings.requests_per_minute,
            health=health(ledger, now=now),
            numbers=numbers,
            stale=tuple(each for each in numbers if each.usable and each.id not in fresh),
            overdue=glance.overdue(session, now=now),
            owed=glance.owed(session),
            failed=glance.failed(session, since=now - LATELY),
            awaiting=glance.awaiting(session),
        )


@dataclass(frozen=True, slots=True)
class Overview:
    """What stands below the glance: the policies as `glance.policies_now` has them, and what awaits an approval as `troubles` has it."""

    policies: tuple[Record, ...]
    awaiting: tuple[Record, ...]


def overview(ledger: Ledger) -> Overview:
    """The policies, and what waits for a person."""
    with ledger.reading() as session:
        return Overview(tuple(glance.policies_now(session)), tuple(troubles.awaiting(session)))
