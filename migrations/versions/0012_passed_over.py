"""What keeps most of what is old, groups and what nobody has read, is passed over within the indexes of ripe chats."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

INDEXES = {
    "ix_chats_last_inbound_at": ("last_inbound_at",),
    "ix_chats_status": ("status", "status_updated_at", "last_inbound_at"),
}
KEPT = ("kind", "unread")


def upgrade() -> None:
    _chats(KEPT)


def downgrade() -> None:
    _chats(())


def _chats(more: tuple[str, ...]) -> None:
    there = sa.text("removed_at is null and missing_since is null")
    for name, keys in INDEXES.items():
        op.drop_index(name, "chats")
        op.create_index(name, "chats", [*keys, *more], sqlite_where=there, postgresql_where=there)
