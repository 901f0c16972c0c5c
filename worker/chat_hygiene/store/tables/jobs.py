"""Delete jobs, and the rollup of their outcomes."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from chat_hygiene.core.states import HOLDING_STATES, JobState
from chat_hygiene.store.tables.base import BigId, metadata, one_of
from chat_hygiene.store.types import Instant

_TOLD = ("not_asked", "confirmed", "reported")

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("chat_id", BigId, ForeignKey("chats.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    # The chat's. It has no reference of its own: PostgreSQL checks each row by row, a sixth of what a job costs to insert.
    Column("device_id", BigId, nullable=False),
    Column("chat_ref", Text, nullable=False),
    Column("chat_hint", Text, nullable=False),
    Column("run_id", BigId, nullable=False),
    Column("policy_id", BigId, nullable=False),
    # The version that decided last: the one that queued it, then the one that the gate evaluated.
    Column("version", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("queued_at", Instant, nullable=False),
    Column("matched_at", Instant, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("next_attempt_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("lease_owner", Text),
    Column("lease_until", Instant),
    # Grows with each claim; whoever holds an older one may change nothing.
    Column("fence", Integer, nullable=False, server_default="0"),
    # The call whose intent was stored last and whose outcome is not known yet.
    Column("intent", Text),
    Column("intent_at", Instant),
    # The call to make next: forced once the refusal is confirmed.
    Column("force", Boolean, nullable=False, server_default=text("false")),
    # The operator who asked for force: then the policy need not allow it.
    Column("forced_by", Text),
    Column("refused_at", Instant),
    Column("error_class", Text),
    Column("error_code", Text),
    Column("first_failed_at", Instant),
    Column("last_failed_at", Instant),
    Column("finished_at", Instant),
    Column("whatsapp_state", Text),
    Column("platform_state", Text),
    Column("debt_state", Text),
    Column("debt_reason", Text),
    Column("debt_opened_at", Instant),
    Column("debt_settled_at", Instant),
    Column("debt_probes", Integer, nullable=False, server_default="0"),
    Column("debt_next_probe_at", Instant),
    # A job's policy is that of its run.
    ForeignKeyConstraint(["run_id", "policy_id"], ["policy_runs.id", "policy_runs.policy_id"]),
    CheckConstraint(one_of("state", JobState), name="state"),
    CheckConstraint(one_of("intent", ("platform", "whatsapp", "force")), name="intent"),
    CheckConstraint(one_of("whatsapp_state", (*_TOLD, "unknown", "present")), name="whatsapp_state"),
    CheckConstraint(
        one_of("platform_state", ("removed", "forced", "unreachable", "unknown")), name="platform_state"
    ),
    CheckConstraint(
        one_of("debt_state", ("open", "settled", "superseded", "abandoned", "written_off")), name="debt_state"
    ),
    # Law 7: "deleted" only when the WhatsApp side is not asked for, confirmed or reported.
    CheckConstraint(
        f"state <> 'deleted' or (({one_of('whatsapp_state', _TOLD)}) and platform_state = 'removed')",
        name="deleted_is_deleted",
    ),
    CheckConstraint("state <> 'removed_locally' or debt_state is not null", name="local_removal_is_debt"),
)
# At most one open or effective job per chat life.
_HOLDING = text("state in ({})".format(", ".join(f"'{state}'" for state in HOLDING_STATES)))
Index(
    "uq_jobs_chat_life",
    jobs.c.chat_id,
    jobs.c.generation,
    unique=True,
    sqlite_where=_HOLDING,
    postgresql_where=_HOLDING,
)
# The last two so that a look steps over the jobs of a paused policy, or of others than those asked for, within the index.
Index(
    "ix_jobs_due",
    jobs.c.device_id,
    jobs.c.next_attempt_at,
    jobs.c.policy_id,
    jobs.c.intent,
    sqlite_where=text("state = 'queued'"),
    postgresql_where=text("state = 'queued'"),
)
Index(
    "ix_jobs_leases",
    jobs.c.lease_until,
    sqlite_where=text("state in ('leased', 'sent')"),
    postgresql_where=text("state in ('leased', 'sent')"),
)
# Calls whose answer is not known yet.
Index(
    "ix_jobs_unanswered",
    jobs.c.device_id,
    sqlite_where=text("state = 'queued' and intent is not null"),
    postgresql_where=text("state = 'queued' and intent is not null"),
)
# Counted at every scrape of the metrics, and by the report views; with the id because what leaves is read page by page, and
# a run queues all its jobs for one instant.
Index("ix_jobs_state", jobs.c.state, jobs.c.policy_id, jobs.c.not_before, jobs.c.id)
Index(
    "ix_jobs_finished_at",
    jobs.c.finished_at,
    sqlite_where=text("finished_at is not null"),
    postgresql_where=text("finished_at is not null"),
)
Index("ix_jobs_chat_id", jobs.c.chat_id)
# One chat's jobs, and what keeps the few chats of a page back, by the only name that stays; with the state, or SQLite would
# read all jobs of that state instead.
Index("ix_jobs_chat_ref", jobs.c.chat_ref, jobs.c.state)
# How the jobs of a run ended is counted within the index.
Index("ix_jobs_run_id_state", jobs.c.run_id, jobs.c.state)
Index(
    "ix_jobs_debt",
    jobs.c.debt_next_probe_at,
    sqlite_where=text("debt_state is not null"),
    postgresql_where=text("debt_state is not null"),
)
# The state is a column, not the condition: SQLite would not match a bound one with it.
Index(
    "ix_jobs_debt_age",
    jobs.c.debt_state,
    jobs.c.debt_opened_at,
    sqlite_where=text("debt_state is not null"),
    postgresql_where=text("debt_state is not null"),
)


# What failed is read page by page, the latest first. The state is a column here, too.
Index(
    "ix_jobs_failures",
    jobs.c.state,
    jobs.c.last_failed_at,
    jobs.c.id,
    sqlite_where=text("error_class is not null"),
    postgresql_where=text("error_class is not null"),
)


# Written with each outcome, so that dashboards never count jobs.
daily_counts = Table(
    "daily_counts",
    metadata,
    Column("day", Date, primary_key=True),
    Column("policy_id", BigId, ForeignKey("policies.id"), primary_key=True),
    Column("device_id", BigId, ForeignKey("devices.id"), primary_key=True),
    Column("deleted", Integer, nullable=False, server_default="0"),
    Column("removed_locally", Integer, nullable=False, server_default="0"),
    Column("already_gone", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
)
