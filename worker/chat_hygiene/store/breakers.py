"""What stands in a device's way: its pause, its block and its breaker. They stand in its row, so that every process obeys.

The breaker is closed while `breaker_until` is NULL and open until that instant. After it, one process of all asks once
(`probe`): a good answer closes the breaker, a bad one opens it again for twice as long.
"""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, or_, true, update
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit
from chat_hygiene.store.tables import devices

LIMIT = 5
BASE = timedelta(seconds=30)
CAP = timedelta(minutes=30)
GONE = "gone"

# Built once: every good call asks.
_THIS = devices.c.id == bindparam("row")
_CLOSE = (
    update(devices)
    .where(_THIS, or_(devices.c.breaker_failures > 0, devices.c.breaker_until.is_not(None)))
    .values(breaker_failures=0, breaker_until=None)
)
_UNBLOCK = update(devices).where(_THIS).values(blocked_reason=None).returning(devices.c.device)
_UNBLOCK_ANY = _UNBLOCK.where(devices.c.blocked_reason.is_not(None))
_UNBLOCK_GONE = _UNBLOCK.where(devices.c.blocked_reason == GONE)


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


def good_call(session: Session, device_id: int, *, now: datetime, actor: str, of_chats: bool = True) -> None:
    """A good answer closes the breaker and lifts the block that it disproves. Writes nothing when neither stands.

    Any block, when the answer came from the chat routes (`of_chats`). That the account still lists the device proves
    nothing about the key's or the plan's access to its chats, and lifts only `gone`.
    """
    close(session, device_id)
    disproved = _UNBLOCK_ANY if of_chats else _UNBLOCK_GONE
    unblocked = session.execute(disproved, {"row": device_id}).scalar_one_or_none()
    if unblocked is not None:
        audit.append(session, Event.DEVICE_UNBLOCKED, at=now, actor=actor, device=unblocked)


def close(session: Session, device_id: int) -> None:
    """The service answers again, whatever it says. Writes nothing when the breaker is closed and counts nothing."""
    session.execute(_CLOSE, {"row": device_id})


def bad_call(session: Session, device_id: int, *, now: datetime, probe: bool = False) -> None:
    """A transport failure or 5xx. The fifth in a row opens the breaker; a bad `probe` opens it for twice as long.

    Other calls that fail while it is not closed were out when it opened, and say nothing new.
    """
    failures = session.execute(
        update(devices)
        .where(devices.c.id == device_id, true() if probe else devices.c.breaker_until.is_(None))
        .values(breaker_failures=devices.c.breaker_failures + 1)
        .returning(devices.c.breaker_failures)
    ).scalar_one_or_none()
    if failures is not None and failures >= LIMIT:
        wait = min(CAP, BASE * 2 ** min(failures - LIMIT, 10))
        session.execute(update(devices).where(devices.c.id == device_id).values(breaker_until=now + wait))


def probe(session: Session, device_id: int, *, now: datetime, lasts: timedelta) -> bool:
    """Whether the caller is the one, of all processes, that asks the device once now that its breaker's wait is over.

    Nobody else is until `lasts` from now, in case the caller dies before it tells the answer.
    """
    mine = session.execute(
        update(devices)
        .where(devices.c.id == device_id, devices.c.breaker_until <= now)
        .values(breaker_until=now + lasts)
        .returning(devices.c.id)
    )
    return mine.scalar_one_or_none() is not None
