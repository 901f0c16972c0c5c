"""Numbers as a face shows them: what the provider says of each, how its sync and its calls stand, how many chats it has."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import chats, devices

_SHOWN = (
    *("id", "device", "alias", "status", "session_status", "product", "retention_policy", "last_online_at"),
    *("last_sync_at", "last_full_sync_at", "sync_failed_at", "sweep_started_at", "sweep_page"),
    *("paused_until", "blocked_reason", "breaker_until", "breaker_failures", "uncovered", "gone_since"),
)


def listing(session: Session) -> list[Record]:
    """Every number that the account has, or had, those it has first, with how many `chats` are there."""
    there = (
        select(func.count())
        .where(
            chats.c.device_id == devices.c.id, chats.c.removed_at.is_(None), chats.c.missing_since.is_(None)
        )
        .scalar_subquery()
    )
    query = select(*(devices.c[name] for name in _SHOWN), there.label("chats"))
    return fetch(session, query.order_by(devices.c.status.is_not_distinct_from("removed"), devices.c.id))
