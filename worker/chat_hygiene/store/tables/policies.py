"""Policies, their immutable versions, their runs, and the candidates that a run withheld or that stand in a plan."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from chat_hygiene.store.tables.base import BigId, metadata, one_of
from chat_hygiene.store.types import Instant, Json

policies = Table(
    "policies",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("action", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("next_run_at", Instant),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("state in ('active', 'paused', 'retired')", name="state"),
    CheckConstraint("action in ('delete', 'keep')", name="action"),
)

policy_versions = Table(
    "policy_versions",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("policy_id", BigId, ForeignKey("policies.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", Json, nullable=False),
    Column("rule", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("reason", Text),
    UniqueConstraint("policy_id", "version"),
)

policy_runs = Table(
    "policy_runs",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("policy_id", BigId, ForeignKey("policies.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("scheduled_for", Instant, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("mode", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("seen", Integer, nullable=False, server_default="0"),
    Column("in_scope", Integer, nullable=False, server_default="0"),
    Column("matched", Integer, nullable=False, server_default="0"),
    Column("held", Integer, nullable=False, server_default="0"),
    Column("kept", Integer, nullable=False, server_default="0"),
    Column("deferred", Integer, nullable=False, server_default="0"),
    Column("queued", Integer, nullable=False, server_default="0"),
    Column("duplicates", Integer, nullable=False, server_default="0"),
    # The funnel per clause: [{"clause", "words", "failed", "unknown"}].
    Column("funnel", Json),
    # Of the candidates of a run that awaits approval: SHA-256 over their sorted refs and generations.
    Column("digest", Text),
    # It queued the first few of a version (law 8); the others wait until those have ended well.
    Column("canary", Boolean, nullable=False, server_default=text("false")),
    # Until when somebody may approve it.
    Column("expires_at", Instant),
    # What a person should know of it besides: which brakes tripped, which clause tells nothing of any chat. Sentences.
    Column("notes", Json),
    Column("requested_by", Text, nullable=False),
    Column("approved_by", Text),
    UniqueConstraint("policy_id", "scheduled_for"),
    CheckConstraint("trigger in ('schedule', 'manual', 'approval', 'plan')", name="trigger"),
    CheckConstraint(
        "state in ('syncing', 'evaluating', 'awaiting_approval', 'done', 'rejected', 'expired', 'superseded', 'failed')",
        name="state",
    ),
)
# What a job refers to, so that its run and its policy belong together.
Index("uq_policy_runs_id_policy_id", policy_runs.c.id, policy_runs.c.policy_id, unique=True)
# What a policy queued today is found by its runs.
Index("ix_policy_runs_policy_id_finished_at", policy_runs.c.policy_id, policy_runs.c.finished_at)
# Runs that wait for their sync: looked for every few seconds, among years of ended ones.
Index(
    "ix_policy_runs_syncing",
    policy_runs.c.policy_id,
    sqlite_where=text("state = 'syncing'"),
    postgresql_where=text("state = 'syncing'"),
)

# Runs that were purged, by how they ended: what counts runs must not fall.
purged_runs = Table(
    "purged_runs",
    metadata,
    Column("policy_id", BigId, ForeignKey("policies.id"), primary_key=True),
    Column("state", Text, primary_key=True),
    Column("runs", Integer, nullable=False),
)

run_candidates = Table(
    "run_candidates",
    metadata,
    Column("run_id", BigId, ForeignKey("policy_runs.id"), primary_key=True),
    Column("chat_id", BigId, ForeignKey("chats.id"), primary_key=True),
    Column("generation", Integer, nullable=False),
    # Since when it matches without being queued, and when its grace is over: what is late is seen to be late.
    Column("matched_at", Instant, nullable=False),
    Column("not_before", Instant, nullable=False),
    # What keeps it from being queued; NULL: nothing, it is in a plan.
    Column("withheld_by", Text),
    CheckConstraint(one_of("withheld_by", ("brake", "stale", "stopped")), name="withheld_by"),
)
Index("ix_run_candidates_chat_id", run_candidates.c.chat_id)
