"""What stands in a device's way: its pause, its block and its breaker. They stand in its row, so that every process obeys."""

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit
from chat_hygiene.store.tables import devices

LIMIT = 5
BASE = timedelta(seconds=30)
CAP = timedelta(minutes=30)


def pause(session: Session, device_id: int, until: datetime) -> None:
    """No call to this device before `until`, for every process; a later pause wins."""
    session.execute(
        update(devices)
        .where(
            devices.c.id == device_id, or_(devices.c.paused_until.is_(None), devices.c.paused_until < until)
        )
        .values(paused_until=until)
    )


def block(session: Session, device_id: int, reason: str, *, now: datetime, actor: str) -> None:
    """Stops a device's queue until a good read; `reason` is of the closed set key, plan, gone."""
    changed = session.execute(
        update(devices)
        .where(devices.c.id == device_id, devices.c.blocked_reason.is_distinct_from(reason))
        .values(blocked_reason=reason)
        .returning(devices.c.device)
    ).scalar_one_or_none()
    if changed is not None:
        audit.append(
            session, Event.DEVICE_BLOCKED, at=now, actor=actor, device=changed, detail={"reason": reason}
        )


def good_call(session: Session, device_id: int, *, now: datetime, actor: str) -> None:
    """A good answer closes the breaker and lifts a block. Writes nothing when neither stands."""
    stands = or_(devices.c.breaker_failures > 0, devices.c.blocked_reason.is_not(None))
    before = session.execute(
        select(devices.c.device, devices.c.blocked_reason).where(devices.c.id == device_id, stands)
    ).one_or_none()
    if before is None:
        return
    session.execute(
        update(devices)
        .where(devices.c.id == device_id)
        .values(breaker_failures=0, breaker_until=None, blocked_reason=None)
    )
    if before.blocked_reason is not None:
        audit.append(session, Event.DEVICE_UNBLOCKED, at=now, actor=actor, device=before.device)


def bad_call(session: Session, device_id: int, *, now: datetime) -> None:
    """A transport failure or 5xx; the fifth in a row opens the breaker, each further one for twice as long."""
    failures = session.execute(
        update(devices)
        .where(devices.c.id == device_id)
        .values(breaker_failures=devices.c.breaker_failures + 1)
        .returning(devices.c.breaker_failures)
    ).scalar_one()
    if failures >= LIMIT:
        wait = min(CAP, BASE * 2 ** min(failures - LIMIT, 10))
        session.execute(update(devices).where(devices.c.id == device_id).values(breaker_until=now + wait))
