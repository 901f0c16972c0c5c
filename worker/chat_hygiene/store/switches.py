"""The one stop switch, and the lock that gates, holds and stops take."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit
from chat_hygiene.store.tables import switches

_GATE = select(switches.c.name).where(switches.c.name == "gate")


@dataclass(frozen=True, slots=True)
class Stop:
    """Who stopped all deleting, when and why."""

    at: datetime
    actor: str
    reason: str

    @property
    def words(self) -> str:
        """`stopped by ana since 2026-05-09 03:00 UTC: the reason`."""
        return f"stopped by {self.actor} since {self.at:%Y-%m-%d %H:%M} UTC: {self.reason}"


def stopped(session: Session) -> Stop | None:
    """The stop in force, if any."""
    row = session.execute(
        select(switches.c.at, switches.c.actor, switches.c.reason).where(
            switches.c.name == "stop", switches.c.on
        )
    ).one_or_none()
    return None if row is None else Stop(row.at, row.actor, row.reason)


def stop(session: Session, *, reason: str, now: datetime, actor: str) -> tuple[Stop, bool]:
    """Lets no further DELETE out, of any policy, until `start`. Returns the stop, and whether it is new: an older one stays.

    Whatever went out before this commits is finished; nothing goes out after it.
    """
    shut_gate(session)
    if (before := stopped(session)) is not None:
        return before, False
    _switch(session, on=True, at=now, actor=actor, reason=reason)
    audit.append(session, Event.STOPPED, at=now, actor=actor, detail={"because": reason})
    return Stop(now, actor, reason), True


def start(session: Session, *, reason: str | None, now: datetime, actor: str) -> Stop | None:
    """Ends the stop. Returns the one that was in force; None: none was, and nothing changed."""
    shut_gate(session)
    if (before := stopped(session)) is None:
        return None
    _switch(session, on=False, at=now, actor=actor, reason=reason)
    detail = None if reason is None else {"because": reason}
    audit.append(session, Event.STARTED, at=now, actor=actor, detail=detail)
    return before


def _switch(session: Session, **values: object) -> None:
    session.execute(update(switches).where(switches.c.name == "stop").values(values))


def enter_gate(session: Session) -> None:
    """Held by a gate until it commits.

    Whoever changes what a gate asks (`shut_gate`) takes the same lock alone, so that what was stored before an intent
    is always seen by it.
    """
    session.execute(_GATE.with_for_update(read=True)).one()


def shut_gate(session: Session) -> None:
    """For whoever stores a policy, a hold or a stop: no gate decides until this commits. Taken before any other lock."""
    session.execute(_GATE.with_for_update()).one()
