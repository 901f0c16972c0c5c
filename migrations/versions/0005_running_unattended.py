"""What running unattended needs: who syncs a device and why, hints of webhooks, an operator's force, and quick look-ups."""

import sqlalchemy as sa
from alembic import op

from chat_hygiene.store.types import Instant

revision = "0005"
down_revision = "0004"

COLUMNS = {
    "devices": (
        ("sync_wanted_at", Instant),
        ("hinted_at", Instant),
        ("sync_failed_at", Instant),
        ("sync_owner", sa.Text),
        ("sync_until", Instant),
        ("gone_since", Instant),
        ("online_since", Instant),
    ),
    "chats": (("hinted_at", Instant),),
    "jobs": (("forced_by", sa.Text),),
}
# name: table, columns, and the rows it holds (None: all)
INDEXES = {
    "ix_chats_hinted": ("chats", ["device_id"], "hinted_at is not null"),
    "ix_policy_runs_syncing": ("policy_runs", ["policy_id"], "state = 'syncing'"),
    "ix_jobs_unanswered": ("jobs", ["device_id"], "state = 'queued' and intent is not null"),
    "ix_jobs_state": ("jobs", ["state", "policy_id", "not_before"], None),
    "ix_jobs_finished_at": ("jobs", ["finished_at"], None),
    "ix_jobs_debt_age": ("jobs", ["debt_state", "debt_opened_at"], "debt_state is not null"),
    "ix_jobs_chat_id": ("jobs", ["chat_id"], None),
    "ix_run_candidates_chat_id": ("run_candidates", ["chat_id"], None),
}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for name, kind in columns:
            op.add_column(table, sa.Column(name, kind))
    for name, (table, columns, rows) in INDEXES.items():
        where = None if rows is None else sa.text(rows)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name, (table, _, _) in INDEXES.items():
        op.drop_index(name, table)
    for table, columns in COLUMNS.items():
        for name, _ in columns:
            op.drop_column(table, name)
