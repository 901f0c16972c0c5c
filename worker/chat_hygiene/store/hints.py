"""Hints: a webhook says that a chat or a number changed, so it is to be read again.

Never more than that: whoever forges or repeats a hint causes a read, and whoever drops one delays it until the next sync.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Column, and_, case, literal, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from chat_hygiene.store.tables import chats, devices
from chat_hygiene.store.types import Instant

_THERE = and_(chats.c.removed_at.is_(None), chats.c.wid.is_not(None))

WAITING = and_(chats.c.hinted_at.is_not(None), _THERE)
"""Of `chats`: hinted, and there to be read. One that we removed comes back by the sync of its device."""


def chat(session: Session, provider: str, device: str, refs: Sequence[str], *, now: datetime) -> bool:
    """Asks for a chat, known under one of these pseudonyms, to be read again. False: no such chat is there."""
    owner = select(devices.c.id).where(devices.c.provider == provider, devices.c.device == device)
    marked = session.execute(
        update(chats)
        .where(chats.c.device_id == owner.scalar_subquery(), chats.c.chat_ref.in_(refs), _THERE)
        .values(hinted_at=_newer(chats.c.hinted_at, now))
        .returning(chats.c.id)
    )
    return bool(marked.all())


def device(session: Session, provider: str, device: str, *, now: datetime) -> bool:
    """Asks for a number to be read again, with what changed in its listing. False: no such number is known."""
    marked = session.execute(
        update(devices)
        .where(devices.c.provider == provider, devices.c.device == device)
        .values(hinted_at=_newer(devices.c.hinted_at, now))
        .returning(devices.c.id)
    )
    return bool(marked.all())


def take(session: Session, device_id: int, limit: int) -> list[tuple[int, str, datetime]]:
    """The chats of a number to read again, the oldest hint first: row id, chat id, and when it was hinted.

    They stay hinted until `done`, so that a reader who dies loses none.
    """
    query = (
        select(chats.c.id, chats.c.wid, chats.c.hinted_at)
        .where(chats.c.device_id == device_id, WAITING)
        .order_by(chats.c.hinted_at, chats.c.id)
        .limit(limit)
    )
    return [(row.id, row.wid, row.hinted_at) for row in session.execute(query)]


def done(session: Session, chat_id: int, hinted_at: datetime) -> None:
    """The hint of `hinted_at` was followed. A newer one, which came meanwhile, stays."""
    session.execute(
        update(chats).where(chats.c.id == chat_id, chats.c.hinted_at <= hinted_at).values(hinted_at=None)
    )


def _newer(known: Column[datetime | None], now: datetime) -> ColumnElement[datetime | None]:
    at = literal(now, Instant())
    return case((known > at, known), else_=at)
