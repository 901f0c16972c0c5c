"""What policies that are left alone need: canaries, approvals that expire, what was withheld and since when, what no policy covers."""

import sqlalchemy as sa
from alembic import op

from chat_hygiene.store.types import Instant

revision = "0006"
down_revision = "0005"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SINCE = (
    sa.Column("matched_at", Instant, nullable=False),
    sa.Column("not_before", Instant, nullable=False),
    sa.Column("withheld_by", sa.Text),
    sa.CheckConstraint("withheld_by in ('brake', 'stale', 'stopped')", name="ck_run_candidates_withheld_by"),
)


def upgrade() -> None:
    op.add_column(
        "policy_runs", sa.Column("canary", sa.Boolean, nullable=False, server_default=sa.text("false"))
    )
    op.add_column("policy_runs", sa.Column("expires_at", Instant))
    op.add_column("devices", sa.Column("uncovered", sa.Integer))
    _candidates_anew(*SINCE)


def downgrade() -> None:
    _candidates_anew()
    op.drop_column("devices", "uncovered")
    op.drop_column("policy_runs", "expires_at")
    op.drop_column("policy_runs", "canary")


def _candidates_anew(*more: sa.schema.SchemaItem) -> None:
    # Since when a candidate of before matches is not known, and nothing could approve it: the policy's next run lists it again.
    op.execute(
        "UPDATE policy_runs SET state = 'superseded', finished_at = started_at WHERE state = 'awaiting_approval'"
    )
    op.drop_index("ix_run_candidates_chat_id", "run_candidates")
    op.drop_table("run_candidates")
    op.create_table(
        "run_candidates",
        sa.Column("run_id", BIG, nullable=False),
        sa.Column("chat_id", BIG, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        *more,
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], name="fk_run_candidates_chat_id_chats"),
        sa.ForeignKeyConstraint(["run_id"], ["policy_runs.id"], name="fk_run_candidates_run_id_policy_runs"),
        sa.PrimaryKeyConstraint("run_id", "chat_id", name="pk_run_candidates"),
    )
    op.create_index("ix_run_candidates_chat_id", "run_candidates", ["chat_id"])
