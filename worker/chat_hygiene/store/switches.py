"""The one stop switch, and the lock that gates, holds and stops take."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from chat_hygiene.store.tables import switches

_GATE = select(switches.c.name).where(switches.c.name == "gate")


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

    Whoever changes what a gate asks (`shut_gate`) takes the same lock alone, so that what was stored before an intent
    is always seen by it.
    """
    session.execute(_GATE.with_for_update(read=True)).one()


def shut_gate(session: Session) -> None:
    """For whoever stores a policy, a hold or a stop: no gate decides until this commits. Taken before any other lock."""
    session.execute(_GATE.with_for_update()).one()
