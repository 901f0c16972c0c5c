"""An audit to seal: events that differ in every column."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session, sessionmaker

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit, seals

NOW = datetime(2026, 5, 9, 3, 0, 0, 123456, tzinfo=UTC)
KEY = b"k" * 32


def append(session: Session, number: int) -> None:
    """Appends the event of that number."""
    append_at(session, NOW + timedelta(seconds=number), number)


def append_at(session: Session, at: datetime, number: int) -> None:
    """The same at an instant of its own."""
    audit.append(
        session,
        Event.JOB_DELETED if number % 2 else Event.STOPPED,
        at=at,
        actor="ana",
        policy="resolved-30d" if number % 3 else None,
        policy_version=number,
        job_id=number,
        chat_ref=f"chat_{number}",
        detail={"digest": "añb", "count": number},
    )


def seal(sessions: sessionmaker[Session], key: bytes = KEY) -> int:
    """Seals one batch."""
    with sessions.begin() as session:
        return seals.seal(session, key, NOW)
