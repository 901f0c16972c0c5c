"""Whether the service is alive: the database, and a recent sign of life from each part that must be working.

A sign of life is a row that an executed task wrote (`store.heartbeats`), so a process that is up but does nothing is
not well. The web process and `doctor` both ask here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import DatabaseError
from chat_hygiene.store import heartbeats, revision, switches
from chat_hygiene.store.heartbeats import Heartbeat
from chat_hygiene.wiring.ledger import Ledger

TICK = "tick"
QUEUES = ("sync", "evaluate", "delete", "maintenance")
SILENCE = {TICK: timedelta(minutes=2)} | dict.fromkeys(QUEUES, timedelta(minutes=5))
"""The parts that must give a sign of life, and for how long each may be silent."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `ok` None: worth knowing, neither good nor bad. `age_seconds`: since its last sign of life, if any."""

    name: str
    ok: bool | None
    says: str
    age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Every part, the database first."""

    parts: tuple[Part, ...]

    @property
    def ok(self) -> bool:
        """Whether no part is unwell."""
        return all(part.ok is not False for part in self.parts)


def health(ledger: Ledger, *, now: datetime) -> Health:
    """How every part is. Never raises for a database that cannot be used: then that is the only part."""
    try:
        with ledger.reading() as session:
            found = revision.found(session.connection())
            if found != revision.HEAD:
                says = f"its schema is at {found or 'nothing'}, this program needs {revision.HEAD}"
                return Health((Part("database", ok=False, says=says),))
            seen = {each.part: each for each in heartbeats.read(session)}
            deleting = _deleting(session)
    except (DatabaseError, SQLAlchemyError) as error:
        return without_database(error)
    alive = (_alive(name, seen.get(name), now) for name in SILENCE)
    return Health((Part("database", ok=True, says=f"schema {found}"), *alive, deleting))


def without_database(error: Exception) -> Health:
    """The health of a service whose database cannot be used."""
    # Whoever asks may be a stranger: where the database is, and why it fails, is for the log.
    _log.warning("the database cannot be used", error=str(error))
    return Health((Part("database", ok=False, says="cannot be used; the log says why"),))


def _alive(name: str, last: Heartbeat | None, now: datetime) -> Part:
    if last is None:
        return Part(name, ok=False, says="no sign of life yet")
    age = max(now - last.at, timedelta(0))
    allowed = SILENCE[name]
    if age > allowed:
        says = f"no sign of life for more than {allowed.total_seconds() / 60:.0f} minutes"
        return Part(name, ok=False, says=says, age_seconds=age.total_seconds())
    return Part(name, ok=True, says="works", age_seconds=age.total_seconds())


def _deleting(session: Session) -> Part:
    stop = switches.stopped(session)
    # Who stopped it, and why, is free text: it stays inside.
    says = "goes on" if stop is None else f"is stopped since {stop.at:%Y-%m-%d %H:%M} UTC"
    return Part("deleting", ok=None, says=says)
