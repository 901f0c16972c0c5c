"""The full numbers of chats, for a person who asked for them: nothing else hands one to a face."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from chat_hygiene.store.pseudonyms import number
from chat_hygiene.store.tables import chats, devices

_BATCH = 1000


def of(session: Session, refs: Collection[str]) -> dict[str, str]:
    """Pseudonym to full number (of a chat that is not one person's: its id), of those whose id is not erased."""
    found: dict[str, str] = {}
    wanted = sorted(refs)
    # The index on pseudonyms begins with the number's row; there are few of those.
    anywhere = chats.c.device_id.in_(select(devices.c.id))
    for start in range(0, len(wanted), _BATCH):
        some = chats.c.chat_ref.in_(wanted[start : start + _BATCH])
        query = select(chats.c.chat_ref, chats.c.wid).where(anywhere, some)
        # Not a condition of the query: SQLite would walk the index on ids for it.
        found |= {row.chat_ref: number(row.wid) for row in session.execute(query) if row.wid is not None}
    return found
