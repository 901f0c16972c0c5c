"""Chats: what the last answers showed of them, when they vanished, and how they were removed.

A row's life: inserted by a sync; changed by syncs and by the fresh read before a delete; `missing_since` after two
complete sweeps without it; `removed_at` when we removed it, with its name erased at once and its wid when nothing is
owed any more; a new generation when it comes back.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
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
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.core.states import JobState
from chat_hygiene.store import audit, debts, holds
from chat_hygiene.store.pseudonyms import Pseudonyms, hint
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import audit_events, chats, devices, jobs

# Absence in a later answer never clears these: they protect chats. Any other absent fact becomes unknown.
STICKY = ("unread", "pinned", "muted", "archived", "locked")
PLAIN = (
    "kind",
    "name",
    "status",
    "whatsapp_status",
    "status_updated_at",
    "first_message_at",
    "last_message_at",
    "last_inbound_at",
    "last_outbound_at",
    "assigned",
    "agent",
    "department",
)
_KNOWN = [
    chats.c[name]
    for name in (
        *("id", "wid", "chat_ref", "labels", "missing_since", "removed_at", "removed_last_message_at"),
        *(*STICKY, *PLAIN),
    )
]

# The indexes on chats begin with the number's row: named, they are used; there are few numbers.
_ANYWHERE = chats.c.device_id.in_(select(devices.c.id))


@dataclass(frozen=True, slots=True)
class Account:
    """Whose chats these are: what a pseudonym is made over."""

    provider: str
    device: str
    device_id: int


@dataclass(slots=True)
class Stored:
    """What storing a page did."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    returned: int = 0


def merged(known: Record, facts: ChatFacts) -> dict[str, Any]:
    """The columns that `facts` changes in a known row."""
    found: dict[str, Any] = {name: getattr(facts, name) for name in PLAIN}
    found |= {name: value for name in STICKY if (value := getattr(facts, name)) is not None}
    if facts.labels is not None:
        found["labels"] = list(facts.labels)
    found["missing_since"] = None
    return {name: value for name, value in found.items() if value != known[name]}


def store_page(
    session: Session,
    account: Account,
    page: Iterable[ChatFacts],
    *,
    pseudonyms: Pseudonyms,
    read_at: datetime,
    sweep: int,
    actor: str,
) -> Stored:
    """Stores one page as read at `read_at`. Unchanged rows are only marked as seen by the sweep."""
    refs = {facts.wid: pseudonyms.refs(account.provider, account.device, facts.wid) for facts in page}
    newest = {facts.wid: facts for facts in page}
    rows = fetch(
        session,
        select(*_KNOWN)
        .where(
            chats.c.device_id == account.device_id,
            or_(
                chats.c.chat_ref.in_([ref for each in refs.values() for ref in each]),
                # A row made with a key that is gone is still the same chat.
                chats.c.wid.in_(list(refs)),
            ),
        )
        .order_by(chats.c.id)
        .with_for_update(),
    )
    known = {row[name]: row for row in rows for name in ("wid", "chat_ref") if row[name] is not None}
    # A chat that was held before it was there keeps the name that the hold knows, made with an older key perhaps.
    held = holds.named(
        session, [ref for each in refs.values() for ref in each[1:] if not known.keys() & each]
    )
    stored, new, seen = Stored(seen=len(newest)), [], []
    for wid, facts in newest.items():
        # A row keeps the pseudonym it was made with: holds, policies and the audit name it.
        row = next((known[name] for name in (wid, *refs[wid]) if name in known), None)
        if row is None:
            if facts.status != "removed":
                ref, key_id = pseudonyms.ref(account.provider, account.device, wid, named=held)
                new.append(_new_row(account, facts, ref, key_id, read_at=read_at, sweep=sweep))
            continue
        if row["removed_at"] is not None:
            # Still listed as removed, or read before our removal: nothing came back.
            if facts.status == "removed" or read_at <= row["removed_at"]:
                continue
            stored.returned += 1
            _return(session, account, row, facts, at=read_at, actor=actor)
        changes = merged(row, facts)
        if row["wid"] is None:
            changes["wid"] = wid
        if changes:
            stored.changed += 1
            session.execute(update(chats).where(chats.c.id == row["id"]).values(changes))
        seen.append(row["id"])
    if seen:
        # A hint that came before this read is followed by it.
        hinted_at = case((chats.c.hinted_at <= read_at, None), else_=chats.c.hinted_at)
        session.execute(
            update(chats)
            .where(chats.c.id.in_(seen))
            .values(seen_sweep=sweep, synced_at=read_at, hinted_at=hinted_at)
        )
    if new:
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        session.execute(dialect.insert(chats).on_conflict_do_nothing(), new)
        stored.new = len(new)
    return stored


def _new_row(
    account: Account, facts: ChatFacts, ref: str, key_id: str, *, read_at: datetime, sweep: int
) -> dict[str, Any]:
    return {
        "device_id": account.device_id,
        "wid": facts.wid,
        **{name: getattr(facts, name) for name in (*PLAIN, *STICKY)},
        "labels": list(facts.labels or ()),
        "chat_ref": ref,
        "key_id": key_id,
        "chat_hint": hint(facts.wid),
        "synced_at": read_at,
        "seen_sweep": sweep,
    }


def _return(
    session: Session, account: Account, row: Record, facts: ChatFacts, *, at: datetime, actor: str
) -> None:
    before, after = row["removed_last_message_at"], facts.last_message_at
    talked = after is not None and (before is None or after > before)
    session.execute(
        update(chats)
        .where(chats.c.id == row["id"])
        .values(
            generation=chats.c.generation + 1,
            removed_at=None,
            removed_how=None,
            removed_last_message_at=None,
            resurrected_at=None if talked else at,
            # It was emptied if somebody asked for that.
            chat_hint=hint(facts.wid),
        )
    )
    kind = Event.CHAT_RETURNED if talked else Event.CHAT_RESURRECTED
    audit.append(session, kind, at=at, actor=actor, device=account.device, chat_ref=row["chat_ref"])
    if talked:
        debts.superseded(session, row["id"], now=at, actor=actor)


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
    .values(removed_last_message_at=chats.c.last_message_at, name=null())
)


def erase(session: Session, chat_id: int, *, now: datetime, how: str, owed: bool) -> None:
    """After an outcome: what identifies the person goes, except the wid while the removal is still owed."""
    values: dict[str, Any] = {"removed_at": now, "removed_how": how}
    if not owed:
        values["wid"] = None
    session.execute(_ERASED, {"chat": chat_id, **values})


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


def count_live(session: Session) -> int:
    """Chats that are neither removed nor missing."""
    live = (
        select(func.count())
        .select_from(chats)
        .where(chats.c.removed_at.is_(None), chats.c.missing_since.is_(None))
    )
    return session.execute(live).scalar_one()
