"""Revealing full numbers to a person who asks for them. Each look is in the audit before it is seen."""

from collections.abc import Collection

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit
from chat_hygiene.store import numbers as stored
from chat_hygiene.wiring.ledger import Ledger


def numbers(ledger: Ledger, chat_refs: Collection[str], *, where: str) -> dict[str, str]:
    """Pseudonym to full number (of a chat that is not one person's: its id), of those chats that still have one here.

    `where` says what showed them: a verb or a page. What is shown nobody is not in the audit.
    """
    with ledger.writing() as session:
        found = stored.of(session, chat_refs)
        if found:
            audit.append(
                session,
                Event.NUMBERS_SHOWN,
                at=ledger.now(),
                actor=ledger.settings.actor,
                chat_ref=next(iter(found)) if len(found) == 1 else None,
                detail={"count": len(found), "where": where},
            )
    return found
