"""What evaluating a policy reads instead of every chat: those of its status, by since when, and all by their customer's last message."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

INDEXES = {
    "ix_chats_status": ["status", "status_updated_at"],
    "ix_chats_last_inbound_at": ["last_inbound_at"],
}


def upgrade() -> None:
    there = sa.text("removed_at is null and missing_since is null")
    for name, keys in INDEXES.items():
        op.create_index(name, "chats", keys, sqlite_where=there, postgresql_where=there)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "chats")
