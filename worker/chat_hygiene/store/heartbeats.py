"""Heartbeats: when each part of the service last did some of its work. They stand among the switches; `report_v1_health` reads them.

Chores stand beside them: work with a rhythm of its own, hours or a day, whose silence for minutes means nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import null, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.settings import MAX_CLOCK_SKEW
from chat_hygiene.store.tables import switches

PREFIX = "heartbeat:"
CHORE_PREFIX = "chore:"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last sign of life of a part, and small facts that it left with it."""

    part: str
    at: datetime
    detail: dict[str, Any] | None


def beat(
    session: Session, part: str, *, now: datetime, detail: Mapping[str, object] | None = None
) -> datetime | None:
    """Notes that `part` worked at `now`, unless a newer sign of life is known. Returns the one before; None: the first."""
    return _note(session, f"{PREFIX}{part}", now, detail)


def at(session: Session, part: str) -> datetime | None:
    """The last sign of life of a part."""
    return session.scalar(select(switches.c.at).where(switches.c.name == f"{PREFIX}{part}"))


def chore_done(session: Session, chore: str, *, now: datetime) -> None:
    """Notes that a chore was done at `now`."""
    _note(session, f"{CHORE_PREFIX}{chore}", now, None)


def chore_begun(session: Session, chore: str, *, now: datetime, every: timedelta) -> bool:
    """Whether the caller is the one, of all processes, that does a chore now: nobody began it within the last `every`."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    # An instant of the future is a clock's that was set back since.
    due = or_(switches.c.at.is_(None), switches.c.at <= now - every, switches.c.at > now)
    begun = session.execute(
        dialect.insert(switches)
        .values(name=f"{CHORE_PREFIX}{chore}", at=now)
        .on_conflict_do_update(index_elements=["name"], set_={"at": now}, where=due)
        .returning(switches.c.name)
    )
    return begun.one_or_none() is not None


def chore_done_at(session: Session, chore: str) -> datetime | None:
    """When a chore was last done."""
    return session.scalar(select(switches.c.at).where(switches.c.name == f"{CHORE_PREFIX}{chore}"))


def _note(session: Session, name: str, now: datetime, detail: Mapping[str, object] | None) -> datetime | None:
    before = session.scalar(select(switches.c.at).where(switches.c.name == name).with_for_update())
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    sign = dialect.insert(switches).values(
        name=name, at=now, detail=null() if detail is None else dict(detail)
    )
    session.execute(
        sign.on_conflict_do_update(
            index_elements=["name"],
            set_={"at": sign.excluded.at, "detail": sign.excluded.detail},
            # An instant of the future is a clock's that ran ahead.
            where=or_(
                switches.c.at.is_(None),
                switches.c.at < sign.excluded.at,
                switches.c.at > now + MAX_CLOCK_SKEW,
            ),
        )
    )
    return before


def read(session: Session) -> list[Heartbeat]:
    """The last sign of life of every part that ever gave one, by name."""
    query = (
        select(switches.c.name, switches.c.at, switches.c.detail)
        .where(switches.c.name.startswith(PREFIX), switches.c.at.is_not(None))
        .order_by(switches.c.name)
    )
    return [Heartbeat(row.name.removeprefix(PREFIX), row.at, row.detail) for row in session.execute(query)]
