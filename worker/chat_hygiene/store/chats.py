"""Chats: what the last answers showed of them, when they vanished, and how they were removed.

A row's life: inserted by a sync; changed by syncs and by the fresh read before a delete; `missing_since` after two
complete sweeps without it; `removed_at` when we removed it, with its name erased at once and its wid when nothing is
owed any more; a new generation when it comes back.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Boolean,
    ColumnElement,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.core.states import JobState
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import audit_events, chats, devices, jobs

# The indexes on chats begin with the number's row: named, they are used; there are few numbers.
_ANYWHERE = chats.c.device_id.in_(select(devices.c.id))


@dataclass(frozen=True, slots=True)
class Account:
    """Whose chats these are: what a pseudonym is made over."""

    provider: str
    device: str
    device_id: int


def mark_missing(
    session: Session,
    account: Account,
    sweep: int,
    *,
    vendor_keeps: timedelta | None,
    now: datetime,
    actor: str,
) -> int:
    """After a complete sweep: chats that it and the one before did not show are missing. Returns how many.

    The audit names the likely cause: `vendor_retention` for a chat that was quiet for longer than `vendor_keeps`, the
    provider's own retention of this number (None: not known), else `removed_elsewhere`.
    """
    ours = (JobState.QUEUED.value, JobState.LEASED.value, JobState.SENT.value)
    called = exists().where(jobs.c.chat_id == chats.c.id, jobs.c.intent.is_not(None), jobs.c.state.in_(ours))
    marked = session.execute(
        update(chats)
        .where(
            chats.c.device_id == account.device_id,
            chats.c.seen_sweep < sweep - 1,
            chats.c.missing_since.is_(None),
            chats.c.removed_at.is_(None),
            # A call of ours is out: it may be why the chat is gone, and its outcome will say.
            ~called,
        )
        .values(missing_since=now)
        .returning(chats.c.id)
    )
    if not (count := len(marked.all())):
        return 0
    likely: ColumnElement[str] = literal(_vanished("removed_elsewhere"))
    if vendor_keeps is not None:
        likely = case(
            (chats.c.last_message_at < now - vendor_keeps, _vanished("vendor_retention")), else_=likely
        )
    columns = ["at", "kind", "actor", "device", "chat_ref", "detail"]
    rows = select(
        literal(now, audit_events.c.at.type),
        literal(Event.CHAT_VANISHED.value),
        literal(actor),
        literal(account.device),
        chats.c.chat_ref,
        likely,
    ).where(chats.c.device_id == account.device_id, chats.c.missing_since == now)
    session.execute(insert(audit_events).from_select(columns, rows.order_by(chats.c.id)))
    return count


def _vanished(likely: str) -> str:
    return json.dumps({"likely": likely}, separators=(",", ":"))


_ERASED = (
    update(chats)
    .where(chats.c.id == bindparam("chat"))
    .values(
        removed_at=bindparam("at", type_=chats.c.removed_at.type),
        removed_how=bindparam("how"),
        removed_last_message_at=chats.c.last_message_at,
        name=null(),
        wid=case((bindparam("owed", type_=Boolean()), chats.c.wid)),
    )
)


def erase(session: Session, gone: Iterable[tuple[int, str, bool]], *, now: datetime) -> None:
    """After outcomes, each a chat, how it went and whether that is still owed: what identifies the people goes.

    A wid stays while the removal is owed.
    """
    # By id, as a sync locks them.
    rows = [{"chat": chat_id, "how": how, "owed": owed, "at": now} for chat_id, how, owed in sorted(gone)]
    if rows:
        session.execute(_ERASED, rows)


def find(session: Session, refs: Sequence[str], *, wid: str | None = None) -> list[Record]:
    """Rows of these pseudonyms, or of this chat id, on whatever device, with the device's id."""
    # The condition on the number twice: each side of the "or" is looked up in an index of its own.
    named = and_(_ANYWHERE, chats.c.chat_ref.in_(refs))
    query = (
        select(chats, devices.c.device, devices.c.alias)
        .join(devices, devices.c.id == chats.c.device_id)
        # No id is not an id that was erased.
        .where(named if wid is None else or_(named, and_(_ANYWHERE, chats.c.wid == wid)))
        .order_by(chats.c.id)
    )
    return fetch(session, query)


def highest(session: Session) -> int:
    """The highest row id: there are no more chats than that, and to count them would take longer."""
    return session.execute(select(func.max(chats.c.id))).scalar_one() or 0


def count_live(session: Session) -> int:
    """Chats that are neither removed nor missing."""
    live = (
        select(func.count())
        .select_from(chats)
        .where(chats.c.removed_at.is_(None), chats.c.missing_since.is_(None))
    )
    return session.execute(live).scalar_one()
