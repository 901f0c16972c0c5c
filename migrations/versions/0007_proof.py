"""What proof needs: incidents that were told, erasures on request, and an audit whose oldest part may go."""

import sqlalchemy as sa
from alembic import op

from chat_hygiene.store.types import Instant, Json

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "incidents",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("told_at", Instant),
        sa.Column("closed_at", Instant),
        sa.Column("detail", Json),
        sa.PrimaryKeyConstraint("key", name="pk_incidents"),
    )


def downgrade() -> None:
    op.drop_table("incidents")
