"""What evaluating a policy, and explaining a chat, read instead of every chat and every job."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

# Chats of a policy's status, by since when, and by their customer's last message.
CHATS = {
    "ix_chats_status": ["status", "status_updated_at"],
    "ix_chats_last_inbound_at": ["last_inbound_at"],
}


def upgrade() -> None:
    there = sa.text("removed_at is null and missing_since is null")
    for name, keys in CHATS.items():
        op.create_index(name, "chats", keys, sqlite_where=there, postgresql_where=there)
    op.create_index("ix_devices_device", "devices", ["device"])
    _jobs_by_chat_ref("chat_ref", "state")


def downgrade() -> None:
    _jobs_by_chat_ref("chat_ref")
    op.drop_index("ix_devices_device", "devices")
    for name in CHATS:
        op.drop_index(name, "chats")


def _jobs_by_chat_ref(*keys: str) -> None:
    op.drop_index("ix_jobs_chat_ref", "jobs")
    op.create_index("ix_jobs_chat_ref", "jobs", [*keys])
