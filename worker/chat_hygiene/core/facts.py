"""What a provider reports about a number ("device") and about a chat, in our own words.

`None` always means "the answer did not say": unknown, never false and never empty. Instants are zone-aware UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One WhatsApp number of the account."""

    device: str
    """The provider's id of it, opaque."""
    alias: str | None = None
    status: str | None = None
    """`operative` is the only usable one."""
    session_status: str | None = None
    """`online` is the only one in which WhatsApp itself can be reached."""
    product: str | None = None
    """The subscription's product; chats can be reached only with `io`."""
    retention_policy: str | None = None
    """The vendor's own retention for it, as it spells it."""

    @property
    def online(self) -> bool:
        """Whether WhatsApp itself can be reached through it now."""
        return self.status == "operative" and self.session_status == "online"


class ChatFacts(NamedTuple):
    """One chat as one answer of the API showed it. A tuple, because a listing makes a great many of them."""

    wid: str
    """The provider's chat id. Opaque: compared and hashed, never parsed to decide."""
    kind: str | None = None
    """`chat` (one to one), `group`, `channel`, `community`; other text is kept as it came."""
    name: str | None = None
    status: str | None = None
    """State on the platform; `removed` means that the platform's copy is gone."""
    whatsapp_status: str | None = None
    """State inside WhatsApp; `removed` proves that it is gone there."""
    status_updated_at: datetime | None = None
    first_message_at: datetime | None = None
    last_message_at: datetime | None = None
    last_inbound_at: datetime | None = None
    last_outbound_at: datetime | None = None
    unread: bool | None = None
    pinned: bool | None = None
    muted: bool | None = None
    archived: bool | None = None
    locked: bool | None = None
    assigned: bool | None = None
    """True with an agent, False only when the answer says "no agent" in so many words."""
    agent: str | None = None
    department: str | None = None
    labels: tuple[str, ...] | None = None
    """In NFC. `None`: the answer had no labels field."""
