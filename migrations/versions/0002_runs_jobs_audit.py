"""Runs, delete jobs, daily counts and the audit."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

ONE_PER_CHAT_LIFE = (
    "state in ('queued', 'leased', 'sent', 'deleted', 'already_gone', 'removed_locally', 'quarantined')"
)


def where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "policy_runs",
        sa.Column("id", BIG, nullable=False),
        sa.Column("policy_id", BIG, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("scheduled_for", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("seen", sa.Integer(), server_default="0", nullable=False),
        sa.Column("in_scope", sa.Integer(), server_default="0", nullable=False),
        sa.Column("matched", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kept", sa.Integer(), server_default="0", nullable=False),
        sa.Column("deferred", sa.Integer(), server_default="0", nullable=False),
        sa.Column("queued", sa.Integer(), server_default="0", nullable=False),
        sa.Column("duplicates", sa.Integer(), server_default="0", nullable=False),
        sa.Column("funnel", JSON),
        sa.Column("digest", sa.Text()),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text()),
        sa.CheckConstraint(
            "state in ('syncing', 'evaluating', 'awaiting_approval', 'done', 'rejected', 'expired', 'superseded', 'failed')",
            name="ck_policy_runs_state",
        ),
        sa.CheckConstraint(
            "trigger in ('schedule', 'manual', 'approval', 'plan')", name="ck_policy_runs_trigger"
        ),
        sa.ForeignKeyConstraint(["policy_id"], ["policies.id"], name="fk_policy_runs_policy_id_policies"),
        sa.PrimaryKeyConstraint("id", name="pk_policy_runs"),
        sa.UniqueConstraint("policy_id", "scheduled_for", name="uq_policy_runs_policy_id_scheduled_for"),
    )
    op.create_table(
        "run_candidates",
        sa.Column("run_id", BIG, nullable=False),
        sa.Column("chat_id", BIG, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], name="fk_run_candidates_chat_id_chats"),
        sa.ForeignKeyConstraint(["run_id"], ["policy_runs.id"], name="fk_run_candidates_run_id_policy_runs"),
        sa.PrimaryKeyConstraint("run_id", "chat_id", name="pk_run_candidates"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", BIG, nullable=False),
        sa.Column("chat_id", BIG, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("device_id", BIG, nullable=False),
        sa.Column("chat_ref", sa.Text(), nullable=False),
        sa.Column("chat_hint", sa.Text(), nullable=False),
        sa.Column("run_id", BIG, nullable=False),
        sa.Column("policy_id", BIG, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("queued_at", INSTANT, nullable=False),
        sa.Column("matched_at", INSTANT, nullable=False),
        sa.Column("not_before", INSTANT, nullable=False),
        sa.Column("next_attempt_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", INSTANT),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("intent", sa.Text()),
        sa.Column("intent_at", INSTANT),
        sa.Column("force", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("refused_at", INSTANT),
        sa.Column("error_class", sa.Text()),
        sa.Column("error_code", sa.Text()),
        sa.Column("first_failed_at", INSTANT),
        sa.Column("last_failed_at", INSTANT),
        sa.Column("finished_at", INSTANT),
        sa.Column("whatsapp_state", sa.Text()),
        sa.Column("platform_state", sa.Text()),
        sa.Column("debt_state", sa.Text()),
        sa.Column("debt_reason", sa.Text()),
        sa.Column("debt_opened_at", INSTANT),
        sa.Column("debt_settled_at", INSTANT),
        sa.Column("debt_probes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("debt_next_probe_at", INSTANT),
        sa.CheckConstraint(
            "debt_state in ('open', 'settled', 'superseded', 'abandoned', 'written_off')",
            name="ck_jobs_debt_state",
        ),
        sa.CheckConstraint("intent in ('platform', 'whatsapp', 'force')", name="ck_jobs_intent"),
        sa.CheckConstraint(
            "platform_state in ('removed', 'forced', 'unreachable', 'unknown')", name="ck_jobs_platform_state"
        ),
        sa.CheckConstraint(
            "state <> 'deleted' or (whatsapp_state in ('not_asked', 'confirmed', 'reported') and platform_state = 'removed')",
            name="ck_jobs_deleted_is_deleted",
        ),
        sa.CheckConstraint(
            "state <> 'removed_locally' or debt_state is not null", name="ck_jobs_local_removal_is_debt"
        ),
        sa.CheckConstraint(
            "state in ('queued', 'leased', 'sent', 'deleted', 'already_gone', 'removed_locally', 'cancelled', 'failed', 'quarantined')",
            name="ck_jobs_state",
        ),
        sa.CheckConstraint(
            "whatsapp_state in ('not_asked', 'confirmed', 'reported', 'unknown', 'present')",
            name="ck_jobs_whatsapp_state",
        ),
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], name="fk_jobs_chat_id_chats"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_jobs_device_id_devices"),
        sa.ForeignKeyConstraint(["policy_id"], ["policies.id"], name="fk_jobs_policy_id_policies"),
        sa.ForeignKeyConstraint(["run_id"], ["policy_runs.id"], name="fk_jobs_run_id_policy_runs"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_debt", "jobs", ["debt_next_probe_at"], **where("debt_state is not null"))
    op.create_index("ix_jobs_due", "jobs", ["device_id", "next_attempt_at"], **where("state = 'queued'"))
    op.create_index("ix_jobs_leases", "jobs", ["lease_until"], **where("state in ('leased', 'sent')"))
    op.create_index("ix_jobs_policy_id_queued_at", "jobs", ["policy_id", "queued_at"])
    op.create_index("ix_jobs_run_id", "jobs", ["run_id"])
    op.create_index(
        "uq_jobs_chat_life", "jobs", ["chat_id", "generation"], unique=True, **where(ONE_PER_CHAT_LIFE)
    )
    op.create_table(
        "daily_counts",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("policy_id", BIG, nullable=False),
        sa.Column("device_id", BIG, nullable=False),
        sa.Column("deleted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("removed_locally", sa.Integer(), server_default="0", nullable=False),
        sa.Column("already_gone", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_daily_counts_device_id_devices"),
        sa.ForeignKeyConstraint(["policy_id"], ["policies.id"], name="fk_daily_counts_policy_id_policies"),
        sa.PrimaryKeyConstraint("day", "policy_id", "device_id", name="pk_daily_counts"),
    )
    op.create_table(
        "audit_events",
        sa.Column("seq", BIG, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text()),
        sa.Column("policy_version", sa.Integer()),
        sa.Column("run_id", BIG),
        sa.Column("job_id", BIG),
        sa.Column("device", sa.Text()),
        sa.Column("chat_ref", sa.Text()),
        sa.Column("outcome", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_chat_ref", "audit_events", ["chat_ref"])
    op.create_index("ix_audit_events_job_id", "audit_events", ["job_id"])
    op.create_table(
        "audit_seals",
        sa.Column("position", BIG, autoincrement=False, nullable=False),
        sa.Column("event_id", BIG, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["audit_events.seq"], name="fk_audit_seals_event_id_audit_events"
        ),
        sa.PrimaryKeyConstraint("position", name="pk_audit_seals"),
        sa.UniqueConstraint("event_id", name="uq_audit_seals_event_id"),
    )


def downgrade() -> None:
    for table in ("audit_seals", "audit_events", "daily_counts", "jobs", "run_candidates", "policy_runs"):
        op.drop_table(table)
