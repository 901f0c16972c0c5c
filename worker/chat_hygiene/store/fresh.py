"""Fresh reads before deletes: what they showed is stored, and never over what is newer."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.store.shown import COLUMNS, merged, shown
from chat_hygiene.store.tables import chats

_KNOWN = [chats.c[name] for name in ("id", "synced_at", "hinted_at", *COLUMNS)]
_CHANGE = update(chats).where(chats.c.id == bindparam("chat"))


def store(session: Session, reads: Mapping[int, tuple[ChatFacts, datetime]]) -> set[int]:
    """Stores reads by chat row id, each with when it was asked for; returns the ids of those stored.

    Nothing is stored of a chat of which something newer is known: a later read, or a hint that came after this one.
    """
    rows = select(*_KNOWN).where(chats.c.id.in_(list(reads))).order_by(chats.c.id).with_for_update()
    stored, changed = set[int](), defaultdict[bool, list[dict[str, Any]]](list)
    for chat_id, synced_at, hinted_at, *found in session.execute(rows):
        facts, read_at = reads[chat_id]
        if any(at is not None and at > read_at for at in (synced_at, hinted_at)):
            continue
        known = (*found[:-1], tuple(found[-1]))
        new = merged(known, shown(facts))
        # Most chats that are to go are as they were, but for having been seen.
        differs = dict(zip(COLUMNS, new, strict=True)) if new != known else {}
        changed[new != known].append(
            {"chat": chat_id, **differs, "missing_since": None, "synced_at": read_at}
        )
        stored.add(chat_id)
    for changes in changed.values():
        session.execute(_CHANGE, changes)
    return stored
