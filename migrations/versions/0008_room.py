"""Room in each page of chats: a complete sync writes to every row, and a row that finds room where it lies touches no index."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    # Each row twice, and what is left behind of the one before. SQLite writes a row in its place anyway.
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE chats SET (fillfactor = 45)")


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE chats RESET (fillfactor)")
