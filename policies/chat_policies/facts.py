"""The facts of a chat that a policy may look at: columns of the chat table, with the type each must have.

The engine knows the table only by these names. A fact that is NULL is unknown, except `labels`, which is never NULL.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

FACTS: dict[str, type] = {
    "device_id": int,
    "wid": str,
    "chat_ref": str,
    "kind": str,
    "status": str,
    "whatsapp_status": str,
    "status_updated_at": datetime,
    "first_message_at": datetime,
    "last_message_at": datetime,
    "last_inbound_at": datetime,
    "last_outbound_at": datetime,
    "unread": bool,
    "pinned": bool,
    "muted": bool,
    "archived": bool,
    "locked": bool,
    "assigned": bool,
    "agent": str,
    "department": str,
    "labels": list,
    "missing_since": datetime,
    "removed_at": datetime,
}

Kind = Literal["chat", "group", "channel", "community"]
Status = Literal["active", "pending", "resolved", "archived", "muted", "banned"]
WhatsappStatus = Literal["invalid", "removed", "banned", "archived", "active"]

MESSAGE_TIMES = ("last_message_at", "last_inbound_at", "last_outbound_at")
"""The newest known of these is when the chat was last alive."""


def instants(facts: Mapping[str, object], *names: str) -> list[datetime]:
    """The known ones of these facts of one chat."""
    return [value for name in names if isinstance(value := facts.get(name), datetime)]
