"""What a chat's row keeps of the answers that showed it: which columns, and what a later answer changes in them."""

from operator import attrgetter
from typing import Any

from chat_hygiene.core.facts import ChatFacts

INSTANTS = (
    "status_updated_at",
    "first_message_at",
    "last_message_at",
    "last_inbound_at",
    "last_outbound_at",
)
_PLAIN = ("kind", "name", "status", "whatsapp_status", "assigned", "agent", "department")
# Absence in a later answer never clears these: they protect chats. Any other absent fact becomes unknown.
_STICKY = ("unread", "pinned", "muted", "archived", "locked", "labels")
COLUMNS = (*INSTANTS, *_PLAIN, *_STICKY)

Shown = tuple[Any, ...]
"""The values of `COLUMNS`. The last one is the labels, a tuple; None, if the answer had none."""

_values = attrgetter(*COLUMNS)
_KEPT_FROM = -len(_STICKY)


def shown(facts: ChatFacts) -> Shown:
    """What one answer shows."""
    values: Shown = _values(facts)
    return values


def merged(known: Shown, new: Shown) -> Shown:
    """What a row that had `known` has after an answer that shows `new`."""
    if known == new:
        return known
    kept = zip(known[_KEPT_FROM:], new[_KEPT_FROM:], strict=True)
    return (*new[:_KEPT_FROM], *(old if value is None else value for old, value in kept))
