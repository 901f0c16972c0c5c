"""Pages of a listing into `chats`: what is new, what changed, what is only seen again, and what came back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.store import audit, debts, holds
from chat_hygiene.store.bulk import Bulk, Found, Row, bulk
from chat_hygiene.store.chats import Account
from chat_hygiene.store.pseudonyms import Pseudonyms, hint
from chat_hygiene.store.shown import Shown, merged, shown
from chat_hygiene.store.tables import chats


@dataclass(slots=True)
class Stored:
    """What storing a page did."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    returned: int = 0


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
    newest = {facts.wid: facts for facts in page}
    many, stored = bulk(session), Stored(seen=len(newest))
    known, unknown = _known(many, account, newest, pseudonyms)
    changed: list[Row] = []
    seen: list[int] = []
    for wid, (chat_id, named, removed, missing, before) in known.items():
        facts = newest[wid]
        if removed:
            if not _returned(session, account, chat_id, facts, at=read_at, actor=actor):
                continue
            stored.returned += 1
        now = merged(before, shown(facts))
        if missing or named is None or now != before:
            changed.append(((chat_id, wid), now))
        seen.append(chat_id)
    # A chat that was held before it was there keeps the name that the hold knows, made with an older key perhaps.
    held = holds.named(session, [ref for refs in unknown.values() for ref in refs[1:]])
    new: list[Row] = []
    at = many.instant(read_at)
    for wid, refs in unknown.items():
        facts = newest[wid]
        if facts.status != "removed":
            ref = pseudonyms.chosen(refs, named=held)
            new.append(((account.device_id, wid, *ref, hint(wid), at, sweep), _at_first(facts)))
    many.change(changed)
    many.see(seen, sweep=sweep, read_at=read_at)
    many.insert(new)
    stored.new, stored.changed = len(new), len(changed)
    return stored


def _known(
    many: Bulk, account: Account, newest: dict[str, ChatFacts], pseudonyms: Pseudonyms
) -> tuple[dict[str, Found], dict[str, list[str]]]:
    """The rows that are there, and the pseudonyms of the chats that are not; both by chat id."""
    # Also a row made with a key that is gone is still the same chat.
    known = many.find(account.device_id, "wid", newest)
    unknown = {
        wid: pseudonyms.refs(account.provider, account.device, wid) for wid in newest if wid not in known
    }
    # A row keeps the pseudonym it was made with: holds, policies and the audit name it.
    erased = many.find(account.device_id, "chat_ref", [ref for refs in unknown.values() for ref in refs])
    for wid, refs in unknown.items() if erased else ():
        row = next((erased[ref] for ref in refs if ref in erased), None)
        if row is not None:
            known[wid] = row
    return known, {wid: refs for wid, refs in unknown.items() if wid not in known}


def _at_first(facts: ChatFacts) -> Shown:
    """What a new row shows: no labels are none."""
    now = shown(facts)
    return now if now[-1] is not None else (*now[:-1], ())


def _returned(
    session: Session, account: Account, chat_id: int, facts: ChatFacts, *, at: datetime, actor: str
) -> bool:
    """Whether a chat that we removed came back: then its row begins a new life."""
    query = select(chats.c.chat_ref, chats.c.removed_at, chats.c.removed_last_message_at)
    row = session.execute(query.where(chats.c.id == chat_id)).one()
    # Still listed as removed, or read before our removal: nothing came back.
    if facts.status == "removed" or at <= row.removed_at:
        return False
    before, after = row.removed_last_message_at, facts.last_message_at
    talked = after is not None and (before is None or after > before)
    session.execute(
        update(chats)
        .where(chats.c.id == chat_id)
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
    audit.append(session, kind, at=at, actor=actor, device=account.device, chat_ref=row.chat_ref)
    if talked:
        debts.superseded(session, chat_id, now=at, actor=actor)
    return True
