"""Fresh reads before deletes: what they showed is stored, and never over what is newer."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.store.chats import merged
from chat_hygiene.store.records import fetch
from chat_hygiene.store.tables import chats


def store(session: Session, reads: Mapping[int, tuple[ChatFacts, datetime]]) -> set[int]:
    """Stores reads by chat row id, each with when it was asked for; returns the ids of those stored.

    Nothing is stored of a chat of which something newer is known: a later read, or a hint that came after this one.
    """
    rows = select(chats).where(chats.c.id.in_(list(reads))).order_by(chats.c.id).with_for_update()
    stored = []
    for row in fetch(session, rows):
        facts, read_at = reads[row["id"]]
        if any(at is not None and at > read_at for at in (row["synced_at"], row["hinted_at"])):
            continue
        stored.append({"chat": row["id"], "read_at": read_at})
        if changes := merged(row, facts):
            session.execute(update(chats).where(chats.c.id == row["id"]).values(changes))
    if stored:
        seen = update(chats).where(chats.c.id == bindparam("chat")).values(synced_at=bindparam("read_at"))
        session.execute(seen, stored)
    return {row["chat"] for row in stored}
