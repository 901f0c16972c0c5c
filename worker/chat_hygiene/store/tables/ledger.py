"""Holds, switches, and the audit with its seals."""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, text

from chat_hygiene.store.tables.base import BigId, metadata
from chat_hygiene.store.types import Instant, Json

holds = Table(
    "holds",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("device_id", BigId, ForeignKey("devices.id")),
    Column("chat_ref", Text),
    Column("label", Text),
    # The label as reports show it, its phone numbers masked; a label is what somebody typed.
    Column("label_shown", Text),
    # Of the key that made chat_ref: NULL only for a hold from before keys were noted, on a chat that was never here.
    Column("key_id", Text),
    Column("reason", Text, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("placed_at", Instant, nullable=False),
    Column("until", Instant),
    Column("released_at", Instant),
    Column("released_by", Text),
    CheckConstraint(
        "(scope = 'chat' and chat_ref is not null and label is null)"
        " or (scope = 'label' and label is not null and chat_ref is null)"
        " or (scope = 'device' and device_id is not null and label is null and chat_ref is null)",
        name="scope",
    ),
)
Index("ix_holds_chat_ref", holds.c.chat_ref)
# Few, and asked for at every chat: those on single chats are not to be read for it.
Index(
    "ix_holds_label",
    holds.c.label,
    sqlite_where=text("label is not null"),
    postgresql_where=text("label is not null"),
)
Index(
    "ix_holds_device_id",
    holds.c.device_id,
    sqlite_where=text("scope = 'device'"),
    postgresql_where=text("scope = 'device'"),
)

# Append-only (triggers), never touched again: seals stand in their own table.
audit_events = Table(
    "audit_events",
    metadata,
    Column("seq", BigId, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("policy", Text),
    Column("policy_version", Integer),
    Column("run_id", BigId),
    Column("job_id", BigId),
    Column("device", Text),
    Column("chat_ref", Text),
    Column("outcome", Text),
    # Small facts of the event as JSON text: text, so that what was hashed is what is stored.
    Column("detail", Text),
)
Index("ix_audit_events_chat_ref", audit_events.c.chat_ref)
Index("ix_audit_events_job_id", audit_events.c.job_id)
# What `report_v1_changes` shows of a long audit; the same words as in its condition, so that the index serves it.
CHANGES = text(
    "kind IN ('policy.created', 'policy.changed', 'policy.retired', 'policy.paused', 'policy.resumed', 'hold.placed',"
    " 'hold.released', 'stopped', 'started')"
)
Index("ix_audit_events_changes", audit_events.c.at, sqlite_where=CHANGES, postgresql_where=CHANGES)

# One row per event. Ids commit out of order, so the position in the chain is given at sealing.
audit_seals = Table(
    "audit_seals",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=False),
    Column("event_id", BigId, ForeignKey("audit_events.seq"), nullable=False, unique=True),
    Column("hash", Text, nullable=False),
)

# `stop` (the one stop switch), `gate` (the lock that gates, holds and stops take), `pseudonym_keys` (their prints),
# `audit_head` and `audit_checkpoint` (where the chain ends and begins), heartbeats.
switches = Table(
    "switches",
    metadata,
    Column("name", Text, primary_key=True),
    Column("on", Boolean, nullable=False, server_default=text("false")),
    Column("at", Instant),
    Column("actor", Text),
    Column("reason", Text),
    Column("detail", Json),
)
