"""Devices and chats: what syncs and fresh reads store."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from chat_hygiene.store.tables.base import BigId, metadata
from chat_hygiene.store.types import Instant, Json

devices = Table(
    "devices",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("alias", Text),
    Column("status", Text),
    Column("session_status", Text),
    Column("product", Text),
    Column("retention_policy", Text),
    Column("last_online_at", Instant),
    Column("last_seen_at", Instant),
    # The first listing of the account that lacked it; NULL while it is listed.
    Column("gone_since", Instant),
    Column("online_since", Instant),
    # A full sweep in progress: its number, when it began, the next page. NULL page: none is open.
    Column("sweep", Integer, nullable=False, server_default="0"),
    Column("sweep_started_at", Instant),
    Column("sweep_page", Integer),
    Column("last_full_sync_at", Instant),
    Column("last_sync_at", Instant),
    # A complete sync that began at or after this is asked for; a webhook asked to look again at `hinted_at`.
    Column("sync_wanted_at", Instant),
    Column("hinted_at", Instant),
    Column("sync_failed_at", Instant),
    # One process at a time walks the listing.
    Column("sync_owner", Text),
    Column("sync_until", Instant),
    # Request budget (token bucket), pause and block: shared by every process through this row.
    Column("tokens", Float, nullable=False, server_default="0"),
    Column("tokens_at", Instant),
    Column("paused_until", Instant),
    Column("blocked_reason", Text),
    Column("breaker_failures", Integer, nullable=False, server_default="0"),
    Column("breaker_until", Instant),
    # Chats that no enforcing policy has in its scope, as counted last; NULL: not counted yet.
    Column("uncovered", Integer),
    UniqueConstraint("provider", "device"),
)
# Reports name a number by the provider's id: SQLite would read all chats for one of them.
Index("ix_devices_device", devices.c.device)

chats = Table(
    "chats",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("device_id", BigId, ForeignKey("devices.id"), nullable=False),
    # Erased (NULL) once the removal is settled; a returning chat is recognised by chat_ref.
    Column("wid", Text),
    Column("generation", Integer, nullable=False, server_default="1"),
    Column("kind", Text),
    Column("name", Text),
    Column("status", Text),
    Column("whatsapp_status", Text),
    Column("status_updated_at", Instant),
    Column("first_message_at", Instant),
    Column("last_message_at", Instant),
    Column("last_inbound_at", Instant),
    Column("last_outbound_at", Instant),
    Column("unread", Boolean),
    Column("pinned", Boolean),
    Column("muted", Boolean),
    Column("archived", Boolean),
    Column("locked", Boolean),
    Column("assigned", Boolean),
    Column("agent", Text),
    Column("department", Text),
    Column("labels", Json, nullable=False, server_default=text("'[]'")),
    Column("chat_ref", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("chat_hint", Text, nullable=False),
    Column("synced_at", Instant, nullable=False),
    Column("seen_sweep", Integer, nullable=False, server_default="0"),
    Column("missing_since", Instant),
    Column("removed_at", Instant),
    Column("removed_how", Text),
    # What the removed life ended with, to tell a new conversation from a resurrection.
    Column("removed_last_message_at", Instant),
    Column("resurrected_at", Instant),
    # A webhook named it: it is read again soon.
    Column("hinted_at", Instant),
    UniqueConstraint("device_id", "wid"),
    UniqueConstraint("device_id", "chat_ref"),
)
Index(
    "ix_chats_hinted",
    chats.c.device_id,
    sqlite_where=text("hinted_at is not null"),
    postgresql_where=text("hinted_at is not null"),
)
_THERE = text("removed_at is null and missing_since is null")
# How many chats a number has, and how many of them a policy has in its scope, is counted within the index; that is why it
# holds the last two, which are NULL here.
Index(
    "ix_chats_there",
    chats.c.device_id,
    chats.c.kind,
    chats.c.pinned,
    chats.c.locked,
    chats.c.status,
    chats.c.removed_at,
    chats.c.missing_since,
    sqlite_where=_THERE,
    postgresql_where=_THERE,
)
# A policy reads those of its status, or whose customer has been silent for as long as it says, and not every chat. Most ask
# for both, and then only the rows that satisfy both are read. With what keeps most of what is old: groups, and what nobody
# has read; those are passed over within the index. It costs PostgreSQL new entries where nothing of a chat changed but that
# somebody read it.
_KEPT = (chats.c.kind, chats.c.unread)
Index(
    "ix_chats_status",
    chats.c.status,
    chats.c.status_updated_at,
    chats.c.last_inbound_at,
    *_KEPT,
    sqlite_where=_THERE,
    postgresql_where=_THERE,
)
Index(
    "ix_chats_last_inbound_at", chats.c.last_inbound_at, *_KEPT, sqlite_where=_THERE, postgresql_where=_THERE
)
