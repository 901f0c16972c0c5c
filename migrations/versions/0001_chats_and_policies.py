"""Devices, chats, policies, holds and switches."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "devices",
        sa.Column("id", BIG, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text()),
        sa.Column("status", sa.Text()),
        sa.Column("session_status", sa.Text()),
        sa.Column("product", sa.Text()),
        sa.Column("retention_policy", sa.Text()),
        sa.Column("last_online_at", INSTANT),
        sa.Column("last_seen_at", INSTANT),
        sa.Column("sweep", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sweep_started_at", INSTANT),
        sa.Column("sweep_page", sa.Integer()),
        sa.Column("last_full_sync_at", INSTANT),
        sa.Column("last_sync_at", INSTANT),
        sa.Column("tokens", sa.Float(), server_default="0", nullable=False),
        sa.Column("tokens_at", INSTANT),
        sa.Column("paused_until", INSTANT),
        sa.Column("blocked_reason", sa.Text()),
        sa.Column("breaker_failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("breaker_until", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
        sa.UniqueConstraint("provider", "device", name="uq_devices_provider_device"),
    )
    op.create_table(
        "chats",
        sa.Column("id", BIG, nullable=False),
        sa.Column("device_id", BIG, nullable=False),
        sa.Column("wid", sa.Text()),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("kind", sa.Text()),
        sa.Column("name", sa.Text()),
        sa.Column("status", sa.Text()),
        sa.Column("whatsapp_status", sa.Text()),
        sa.Column("status_updated_at", INSTANT),
        sa.Column("first_message_at", INSTANT),
        sa.Column("last_message_at", INSTANT),
        sa.Column("last_inbound_at", INSTANT),
        sa.Column("last_outbound_at", INSTANT),
        sa.Column("unread", sa.Boolean()),
        sa.Column("pinned", sa.Boolean()),
        sa.Column("muted", sa.Boolean()),
        sa.Column("archived", sa.Boolean()),
        sa.Column("locked", sa.Boolean()),
        sa.Column("assigned", sa.Boolean()),
        sa.Column("agent", sa.Text()),
        sa.Column("department", sa.Text()),
        sa.Column("labels", JSON, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("chat_ref", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("chat_hint", sa.Text(), nullable=False),
        sa.Column("synced_at", INSTANT, nullable=False),
        sa.Column("seen_sweep", sa.Integer(), server_default="0", nullable=False),
        sa.Column("missing_since", INSTANT),
        sa.Column("removed_at", INSTANT),
        sa.Column("removed_how", sa.Text()),
        sa.Column("removed_last_message_at", INSTANT),
        sa.Column("resurrected_at", INSTANT),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_chats_device_id_devices"),
        sa.PrimaryKeyConstraint("id", name="pk_chats"),
        sa.UniqueConstraint("device_id", "chat_ref", name="uq_chats_device_id_chat_ref"),
        sa.UniqueConstraint("device_id", "wid", name="uq_chats_device_id_wid"),
    )
    op.create_table(
        "policies",
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("next_run_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("action in ('delete', 'keep')", name="ck_policies_action"),
        sa.CheckConstraint("state in ('active', 'paused', 'retired')", name="ck_policies_state"),
        sa.PrimaryKeyConstraint("id", name="pk_policies"),
        sa.UniqueConstraint("name", name="uq_policies_name"),
    )
    op.create_table(
        "policy_versions",
        sa.Column("id", BIG, nullable=False),
        sa.Column("policy_id", BIG, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("reason", sa.Text()),
        sa.ForeignKeyConstraint(["policy_id"], ["policies.id"], name="fk_policy_versions_policy_id_policies"),
        sa.PrimaryKeyConstraint("id", name="pk_policy_versions"),
        sa.UniqueConstraint("policy_id", "version", name="uq_policy_versions_policy_id_version"),
    )
    op.create_table(
        "holds",
        sa.Column("id", BIG, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("device_id", BIG),
        sa.Column("chat_ref", sa.Text()),
        sa.Column("label", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("held_by", sa.Text(), nullable=False),
        sa.Column("placed_at", INSTANT, nullable=False),
        sa.Column("until", INSTANT),
        sa.Column("released_at", INSTANT),
        sa.Column("released_by", sa.Text()),
        sa.CheckConstraint(
            "(scope = 'chat' and chat_ref is not null and label is null) or (scope = 'label' and label is not null and chat_ref is null) or (scope = 'device' and device_id is not null and label is null and chat_ref is null)",
            name="ck_holds_scope",
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_holds_device_id_devices"),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_index("ix_holds_chat_ref", "holds", ["chat_ref"])
    op.create_table(
        "switches",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("on", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("at", INSTANT),
        sa.Column("actor", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("detail", JSON),
        sa.PrimaryKeyConstraint("name", name="pk_switches"),
    )
    op.bulk_insert(
        sa.table("switches", sa.column("name", sa.Text())),
        [{"name": "stop"}, {"name": "gate"}, {"name": "audit_head"}],
    )


def downgrade() -> None:
    for table in ("switches", "holds", "policy_versions", "policies", "chats", "devices"):
        op.drop_table(table)
