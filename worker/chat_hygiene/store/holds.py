"""Legal holds: what they cover, as a clause that every evaluation and the gate carry."""

from datetime import datetime

from sqlalchemy import ColumnElement, FromClause, and_, exists, or_
from sqlalchemy.sql import literal

from chat_hygiene.store.tables import holds
from chat_hygiene.store.types import Instant
from chat_policies import Clause
from chat_policies.conditions.labels import HasAny


def clause(chat: FromClause, *, now: datetime) -> Clause:
    """True for a held chat; a candidate must not be one."""
    at = literal(now, Instant())
    active: ColumnElement[bool] = and_(
        holds.c.released_at.is_(None), or_(holds.c.until.is_(None), holds.c.until > at)
    )
    on_device = or_(holds.c.device_id.is_(None), holds.c.device_id == chat.c.device_id)
    covers = or_(
        and_(holds.c.scope == "chat", holds.c.chat_ref == chat.c.chat_ref),
        and_(holds.c.scope == "label", HasAny(chat.c.labels, [holds.c.label])),
        holds.c.scope == "device",
    )
    held = exists().where(active, on_device, covers)
    return Clause(name="hold", words="under a hold", sql=held, wanted=False, facts=())
