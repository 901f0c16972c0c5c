"""One index for both of the clauses that most policies have; and none of what has not ended among what has."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    _chats_by_status("status", "status_updated_at", "last_inbound_at")
    _jobs_by_their_end("finished_at is not null")


def downgrade() -> None:
    _jobs_by_their_end(None)
    _chats_by_status("status", "status_updated_at")


def _chats_by_status(*keys: str) -> None:
    there = sa.text("removed_at is null and missing_since is null")
    op.drop_index("ix_chats_status", "chats")
    op.create_index("ix_chats_status", "chats", [*keys], sqlite_where=there, postgresql_where=there)


def _jobs_by_their_end(which: str | None) -> None:
    where = None if which is None else sa.text(which)
    op.drop_index("ix_jobs_finished_at", "jobs")
    op.create_index(
        "ix_jobs_finished_at", "jobs", ["finished_at"], sqlite_where=where, postgresql_where=where
    )
