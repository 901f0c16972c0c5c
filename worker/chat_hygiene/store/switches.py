"""The one stop switch, and the lock that gates, holds and stops take."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from chat_hygiene.store.tables import switches


@dataclass(frozen=True, slots=True)
class Stop:
    """Who stopped all deleting, when and why."""

    at: datetime
    actor: str
    reason: str


def stopped(session: Session) -> Stop | None:
    """The stop in force, if any."""
    row = session.execute(
        select(switches.c.at, switches.c.actor, switches.c.reason).where(
            switches.c.name == "stop", switches.c.on
        )
    ).one_or_none()
    return None if row is None else Stop(row.at, row.actor, row.reason)


def enter_gate(session: Session) -> None:
    """Held by a gate until it commits.

    Whoever places a hold or a stop takes the same lock alone, so that one placed before an intent is always seen by it.
    """
    session.execute(select(switches.c.name).where(switches.c.name == "gate").with_for_update(read=True)).one()
