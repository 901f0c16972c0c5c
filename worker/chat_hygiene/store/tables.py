"""Every table. The migrations build the same schema; a test compares the two.

Names of constraints come from the convention below, so that a migration can name what it drops.
Instants are UTC (`types.Instant`). States and kinds are text with the closed sets of `core`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from chat_hygiene.core.states import HOLDING_STATES, JobState
from chat_hygiene.store.types import Instant, Json

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes ids by itself only for INTEGER; PostgreSQL's tables outgrow 32 bits.
BigId = BigInteger().with_variant(Integer(), "sqlite")


def _states(states: object) -> str:
    return ", ".join(f"'{state}'" for state in states)  # type: ignore[attr-defined]


devices = Table(
    "devices",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("alias", Text),
    Column("status", Text),
    Column("session_status", Text),
    Column("product", Text),
    Column("retention_policy", Text),
    Column("last_online_at", Instant),
    Column("last_seen_at", Instant),
    # A full sweep in progress: its number, when it began, the next page. NULL page: none is open.
    Column("sweep", Integer, nullable=False, server_default="0"),
    Column("sweep_started_at", Instant),
    Column("sweep_page", Integer),
    Column("last_full_sync_at", Instant),
    Column("last_sync_at", Instant),
    # Request budget (token bucket), pause and block: shared by every process through this row.
    Column("tokens", Float, nullable=False, server_default="0"),
    Column("tokens_at", Instant),
    Column("paused_until", Instant),
    Column("blocked_reason", Text),
    Column("breaker_failures", Integer, nullable=False, server_default="0"),
    Column("breaker_until", Instant),
    UniqueConstraint("provider", "device"),
)

chats = Table(
    "chats",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("device_id", BigId, ForeignKey("devices.id"), nullable=False),
    # Erased (NULL) once the removal is settled; a returning chat is recognised by chat_ref.
    Column("wid", Text),
    Column("generation", Integer, nullable=False, server_default="1"),
    Column("kind", Text),
    Column("name", Text),
    Column("status", Text),
    Column("whatsapp_status", Text),
    Column("status_updated_at", Instant),
    Column("first_message_at", Instant),
    Column("last_message_at", Instant),
    Column("last_inbound_at", Instant),
    Column("last_outbound_at", Instant),
    Column("unread", Boolean),
    Column("pinned", Boolean),
    Column("muted", Boolean),
    Column("archived", Boolean),
    Column("locked", Boolean),
    Column("assigned", Boolean),
    Column("agent", Text),
    Column("department", Text),
    Column("labels", Json, nullable=False, server_default=text("'[]'")),
    Column("chat_ref", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("chat_hint", Text, nullable=False),
    Column("synced_at", Instant, nullable=False),
    Column("seen_sweep", Integer, nullable=False, server_default="0"),
    Column("missing_since", Instant),
    Column("removed_at", Instant),
    Column("removed_how", Text),
    # What the removed life ended with, to tell a new conversation from a resurrection.
    Column("removed_last_message_at", Instant),
    Column("resurrected_at", Instant),
    UniqueConstraint("device_id", "wid"),
    UniqueConstraint("device_id", "chat_ref"),
)

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
    Column("requested_by", Text, nullable=False),
    Column("approved_by", Text),
    UniqueConstraint("policy_id", "scheduled_for"),
    CheckConstraint("trigger in ('schedule', 'manual', 'approval', 'plan')", name="trigger"),
    CheckConstraint(
        "state in ('syncing', 'evaluating', 'awaiting_approval', 'done', 'rejected', 'expired', 'superseded', 'failed')",
        name="state",
    ),
)

run_candidates = Table(
    "run_candidates",
    metadata,
    Column("run_id", BigId, ForeignKey("policy_runs.id"), primary_key=True),
    Column("chat_id", BigId, ForeignKey("chats.id"), primary_key=True),
    Column("generation", Integer, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("chat_id", BigId, ForeignKey("chats.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("device_id", BigId, ForeignKey("devices.id"), nullable=False),
    Column("chat_ref", Text, nullable=False),
    Column("chat_hint", Text, nullable=False),
    Column("run_id", BigId, ForeignKey("policy_runs.id"), nullable=False),
    Column("policy_id", BigId, ForeignKey("policies.id"), nullable=False),
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
    CheckConstraint(f"state in ({_states(JobState)})", name="state"),
    CheckConstraint("intent in ('platform', 'whatsapp', 'force')", name="intent"),
    CheckConstraint(
        "whatsapp_state in ('not_asked', 'confirmed', 'reported', 'unknown', 'present')",
        name="whatsapp_state",
    ),
    CheckConstraint(
        "platform_state in ('removed', 'forced', 'unreachable', 'unknown')", name="platform_state"
    ),
    CheckConstraint(
        "debt_state in ('open', 'settled', 'superseded', 'abandoned', 'written_off')", name="debt_state"
    ),
    # Law 7: "deleted" only when the WhatsApp side is not asked for, confirmed or reported.
    CheckConstraint(
        "state <> 'deleted' or (whatsapp_state in ('not_asked', 'confirmed', 'reported')"
        " and platform_state = 'removed')",
        name="deleted_is_deleted",
    ),
    CheckConstraint("state <> 'removed_locally' or debt_state is not null", name="local_removal_is_debt"),
)
# At most one open or effective job per chat life.
Index(
    "uq_jobs_chat_life",
    jobs.c.chat_id,
    jobs.c.generation,
    unique=True,
    sqlite_where=text(f"state in ({_states(HOLDING_STATES)})"),
    postgresql_where=text(f"state in ({_states(HOLDING_STATES)})"),
)
Index(
    "ix_jobs_due",
    jobs.c.device_id,
    jobs.c.next_attempt_at,
    sqlite_where=text("state = 'queued'"),
    postgresql_where=text("state = 'queued'"),
)
Index(
    "ix_jobs_leases",
    jobs.c.lease_until,
    sqlite_where=text("state in ('leased', 'sent')"),
    postgresql_where=text("state in ('leased', 'sent')"),
)
Index("ix_jobs_policy_id_queued_at", jobs.c.policy_id, jobs.c.queued_at)
Index("ix_jobs_run_id", jobs.c.run_id)
Index(
    "ix_jobs_debt",
    jobs.c.debt_next_probe_at,
    sqlite_where=text("debt_state is not null"),
    postgresql_where=text("debt_state is not null"),
)

holds = Table(
    "holds",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("device_id", BigId, ForeignKey("devices.id")),
    Column("chat_ref", Text),
    Column("label", Text),
    Column("reason", Text, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("placed_at", Instant, nullable=False),
    Column("until", Instant),
    Column("released_at", Instant),
    Column("released_by", Text),
    CheckConstraint(
        "(scope = 'chat' and chat_ref is not null and label is null)"
        " or (scope = 'label' and label is not null and chat_ref is null)"
        " or (scope = 'device' and device_id is not null and label is null and chat_ref is null)",
        name="scope",
    ),
)
Index("ix_holds_chat_ref", holds.c.chat_ref)

# Append-only (triggers), never touched again: seals stand in their own table.
audit_events = Table(
    "audit_events",
    metadata,
    Column("seq", BigId, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("policy", Text),
    Column("policy_version", Integer),
    Column("run_id", BigId),
    Column("job_id", BigId),
    Column("device", Text),
    Column("chat_ref", Text),
    Column("outcome", Text),
    # Small facts of the event as JSON text: text, so that what was hashed is what is stored.
    Column("detail", Text),
)
Index("ix_audit_events_chat_ref", audit_events.c.chat_ref)
Index("ix_audit_events_job_id", audit_events.c.job_id)

# One row per event. Ids commit out of order, so the position in the chain is given at sealing.
audit_seals = Table(
    "audit_seals",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=False),
    Column("event_id", BigId, ForeignKey("audit_events.seq"), nullable=False, unique=True),
    Column("hash", Text, nullable=False),
)

# `stop` (the one stop switch), `gate` (the lock that gates, holds and stops take), `audit_head`, heartbeats.
switches = Table(
    "switches",
    metadata,
    Column("name", Text, primary_key=True),
    Column("on", Boolean, nullable=False, server_default=text("false")),
    Column("at", Instant),
    Column("actor", Text),
    Column("reason", Text),
    Column("detail", Json),
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
