"""What policies that are left alone need: canaries, approvals that expire, what was withheld and since when, what no policy covers.

The report views count and list what was withheld, and no longer show what a person typed.
"""

import sqlalchemy as sa
from alembic import op

from chat_hygiene.store.spelling import spell
from chat_hygiene.store.types import Instant, Json

revision = "0006"
down_revision = "0005"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SINCE = (
    sa.Column("matched_at", Instant, nullable=False),
    sa.Column("not_before", Instant, nullable=False),
    sa.Column("withheld_by", sa.Text),
    sa.CheckConstraint("withheld_by in ('brake', 'stale', 'stopped')", name="ck_run_candidates_withheld_by"),
)

# Chats that match and were not queued. Whatever happened to the chat since, such as another policy's job, takes it off.
WITHHELD = """
        FROM run_candidates AS w
        JOIN policy_runs AS r ON r.id = w.run_id
        JOIN chats AS c ON c.id = w.chat_id AND c.generation = w.generation"""
STILL = """w.withheld_by IS NOT NULL AND c.removed_at IS NULL AND c.missing_since IS NULL AND NOT EXISTS (
            SELECT 1 FROM jobs AS j WHERE j.chat_id = w.chat_id AND j.generation = w.generation
                AND j.state IN ('queued', 'leased', 'sent', 'deleted', 'already_gone', 'removed_locally', 'quarantined')
        )"""
STOPPED = """p.state <> 'active' OR EXISTS (SELECT 1 FROM switches AS s WHERE s.name = 'stop' AND s."on")"""
_IN_FORCE = "h.released_at IS NULL AND (h.until IS NULL OR h.until > NOW)"
_HERE = "(h.device_id IS NULL OR h.device_id = c.device_id)"
# One look into one index each.
HELD = f"""EXISTS (SELECT 1 FROM holds AS h WHERE h.chat_ref = c.chat_ref AND {_IN_FORCE} AND {_HERE})
                OR EXISTS (SELECT 1 FROM holds AS h WHERE h.label IS NOT NULL AND {_IN_FORCE} AND {_HERE} AND LABELLED)
                OR EXISTS (SELECT 1 FROM holds AS h WHERE h.scope = 'device' AND h.device_id = c.device_id AND {_IN_FORCE})"""  # noqa: S608 - our own words
# The number cannot be used now, and the policy still waits for it.
OFFLINE = """d.status IS NULL OR d.status <> 'operative' OR d.product <> 'io' OR d.blocked_reason IS NOT NULL
                OR d.paused_until > NOW OR d.breaker_until > NOW
                OR COALESCE(d.session_status, 'unknown') <> 'online' AND NOT COALESCE(GRACE_OVER, 1 = 0)"""
VIEWS = {
    "report_v1_policies": f"""
        SELECT p.name AS policy, p.version, FIELD(mode) AS mode, p.state,
            FIELD(schedule) AS schedule, FIELD(timezone) AS timezone, v.rule,
            CASE WHEN p.state = 'active' THEN p.next_run_at END AS next_run_at,
            r.started_at AS last_run_at, r.state AS last_run_state,
            COALESCE(late.chats, 0) AS overdue, late.oldest AS oldest_overdue_at
        FROM policies AS p
        JOIN policy_versions AS v ON v.policy_id = p.id AND v.version = p.version
        LEFT JOIN policy_runs AS r ON r.id = (SELECT max(id) FROM policy_runs WHERE policy_id = p.id)
        LEFT JOIN (
            SELECT policy_id, CAST(sum(chats) AS bigint) AS chats, min(oldest) AS oldest
            FROM (
                SELECT j.policy_id, count(*) AS chats, min(j.not_before) AS oldest FROM jobs AS j
                WHERE j.state IN ('queued', 'leased', 'sent') AND j.not_before < NOW GROUP BY j.policy_id
                UNION ALL
                SELECT r.policy_id, count(*), min(w.not_before) {WITHHELD}
                WHERE {STILL} AND w.not_before < NOW GROUP BY r.policy_id
            ) AS each_kind
            GROUP BY policy_id
        ) AS late ON late.policy_id = p.id
    """,  # noqa: S608 - our own words
    "report_v1_upcoming": f"""
        SELECT p.name AS policy, d.device, j.chat_ref, j.chat_hint, j.reason, j.matched_at, j.not_before,
            CASE WHEN j.not_before <= NOW THEN j.not_before END AS due_since,
            CASE
                WHEN {STOPPED} THEN 'stopped'
                WHEN {HELD} THEN 'hold'
                WHEN j.error_class = 'refused' THEN 'refused'
                WHEN {OFFLINE} THEN 'offline'
            END AS blocked_by
        FROM jobs AS j
        JOIN policies AS p ON p.id = j.policy_id
        JOIN policy_versions AS v ON v.policy_id = p.id AND v.version = p.version
        JOIN devices AS d ON d.id = j.device_id
        JOIN chats AS c ON c.id = j.chat_id
        WHERE j.state = 'queued'
        UNION ALL
        SELECT p.name, d.device, c.chat_ref, c.chat_hint, v.rule, w.matched_at, w.not_before,
            CASE WHEN w.not_before <= NOW THEN w.not_before END,
            CASE
                WHEN {STOPPED} THEN 'stopped'
                WHEN {HELD} THEN 'hold'
                -- Started again since: the next run queues it.
                ELSE NULLIF(w.withheld_by, 'stopped')
            END
        {WITHHELD}
        JOIN policies AS p ON p.id = r.policy_id
        JOIN policy_versions AS v ON v.policy_id = r.policy_id AND v.version = r.version
        JOIN devices AS d ON d.id = c.device_id
        WHERE {STILL}
    """,  # noqa: S608 - our own words
    "report_v1_devices": """
        SELECT d.device, d.alias, d.status, d.session_status, d.last_online_at, d.last_sync_at,
            d.last_full_sync_at,
            (SELECT count(*) FROM chats AS c WHERE c.device_id = d.id
                AND c.removed_at IS NULL AND c.missing_since IS NULL) AS chats,
            CAST(d.uncovered AS bigint) AS uncovered, d.paused_until, d.blocked_reason
        FROM devices AS d
    """,
    "report_v1_audit": """
        SELECT e.seq, e.at AS "at", e.kind, e.actor, e.policy, e.policy_version, e.run_id, e.job_id, e.device,
            e.chat_ref, e.outcome,
            CASE WHEN e.detail LIKE '%"because"%' THEN WITHOUT_WORDS ELSE e.detail END AS detail,
            EXISTS (SELECT 1 FROM audit_seals AS s WHERE s.event_id = e.seq) AS sealed
        FROM audit_events AS e
    """,
}

HOLD_INDEXES = {"label": sa.text("label is not null"), "device_id": sa.text("scope = 'device'")}


def upgrade() -> None:
    op.add_column(
        "policy_runs", sa.Column("canary", sa.Boolean, nullable=False, server_default=sa.text("false"))
    )
    op.add_column("policy_runs", sa.Column("expires_at", Instant))
    op.add_column("policy_runs", sa.Column("notes", Json))
    op.add_column("devices", sa.Column("uncovered", sa.Integer))
    _candidates_anew(*SINCE)
    for column, where in HOLD_INDEXES.items():
        op.create_index(f"ix_holds_{column}", "holds", [column], sqlite_where=where, postgresql_where=where)
    _due_anew("device_id", "next_attempt_at", "policy_id", "intent")
    _replace(VIEWS)


def downgrade() -> None:
    before = op.get_context().script.get_revision("0004").module.VIEWS
    _replace({name: before[name] for name in VIEWS})
    _due_anew("device_id", "next_attempt_at")
    for column in HOLD_INDEXES:
        op.drop_index(f"ix_holds_{column}", "holds")
    _candidates_anew()
    op.drop_column("devices", "uncovered")
    op.drop_column("policy_runs", "notes")
    op.drop_column("policy_runs", "expires_at")
    op.drop_column("policy_runs", "canary")


def _due_anew(*columns: str) -> None:
    queued = sa.text("state = 'queued'")
    op.drop_index("ix_jobs_due", "jobs")
    op.create_index("ix_jobs_due", "jobs", [*columns], sqlite_where=queued, postgresql_where=queued)


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


def _replace(views: dict[str, str]) -> None:
    dialect = op.get_context().dialect.name
    for name, query in views.items():
        # Replaced, not dropped, where that can be done: a reporting role keeps its grants.
        if dialect == "sqlite":
            op.execute(f"DROP VIEW {name}")
        word = "CREATE" if dialect == "sqlite" else "CREATE OR REPLACE"
        op.execute(f"{word} VIEW {name} AS {spell(query, dialect)}")
