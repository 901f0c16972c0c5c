"""What proof needs: incidents that were told, erasures on request, and an audit whose oldest part may go.

The report views read runs and changes from indexes, show a held label with its phone numbers masked, and say
whether deleting goes on.
"""

import sqlalchemy as sa
from alembic import op

from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.spelling import spell
from chat_hygiene.store.types import Instant, Json

revision = "0007"
down_revision = "0006"

# table: what the refusal says, as in 0003, and the key by which the checkpoint covers a row
AUDIT = {
    "audit_events": ("audit events are never changed", "seq"),
    "audit_seals": ("audit seals are never changed", "position"),
}

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# The same in the index: the view reads nothing else of a long audit.
CHANGES = """kind IN ('policy.created', 'policy.changed', 'policy.retired', 'policy.paused', 'policy.resumed', 'hold.placed',
    'hold.released', 'stopped', 'started')"""
VIEWS = {
    "report_v1_runs": """
        SELECT r.id AS run_id, p.name AS policy, r.version AS policy_version, r."trigger" AS "trigger",
            r.scheduled_for, r.started_at, r.finished_at, r.mode, r.state, r.reason,
            r.seen, r.in_scope, r.matched, r.held, r.kept, r.deferred, r.queued,
            (SELECT count(*) FROM jobs WHERE run_id = r.id AND state = 'deleted') AS deleted,
            (SELECT count(*) FROM jobs WHERE run_id = r.id AND state = 'removed_locally') AS removed_locally,
            (SELECT count(*) FROM jobs WHERE run_id = r.id AND state = 'already_gone') AS already_gone,
            (SELECT count(*) FROM jobs WHERE run_id = r.id AND state = 'cancelled') AS cancelled,
            (SELECT count(*) FROM jobs WHERE run_id = r.id AND state IN ('failed', 'quarantined')) AS failed,
            r.requested_by, r.approved_by
        FROM policy_runs AS r
        JOIN policies AS p ON p.id = r.policy_id
    """,
    "report_v1_holds": """
        SELECT h.id AS hold_id, h.scope, h.chat_ref, h.label_shown AS label, d.device, h.held_by, h.placed_at,
            h.until AS "until", h.released_at
        FROM holds AS h
        LEFT JOIN devices AS d ON d.id = h.device_id
    """,
    "report_v1_changes": f"""
        SELECT e.at AS "at", e.actor, e.kind AS action,
            CASE WHEN e.kind LIKE 'policy.%' THEN e.policy WHEN e.kind LIKE 'hold.%' THEN 'hold' ELSE 'switch' END
                AS object,
            e.policy,
            CASE e.kind WHEN 'policy.created' THEN NULL WHEN 'policy.changed' THEN e.policy_version - 1
                ELSE e.policy_version END AS from_version,
            e.policy_version AS to_version
        FROM audit_events AS e
        WHERE e.{CHANGES}
    """,  # noqa: S608 - our own words
    "report_v1_health": """
        SELECT h.part, h.last_seen_at, h.age_seconds, h.age_seconds <= 300 AS ok,
            CASE WHEN h.age_seconds > 300 THEN 'no sign of life for more than 5 minutes' END AS detail
        FROM (
            SELECT substr(s.name, 11) AS part, s.at AS last_seen_at, AGE(s.at) AS age_seconds
            FROM switches AS s WHERE s.name LIKE 'heartbeat:%'
            UNION ALL
            SELECT 'database', NOW, 0
        ) AS h
        UNION ALL
        SELECT 'deleting', s.at, AGE(s.at), NOT s."on",
            CASE WHEN s."on" THEN 'stopped by the stop switch' END
        FROM switches AS s WHERE s.name = 'stop'
    """,
}


def upgrade() -> None:
    op.create_table(
        "incidents",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("told_at", Instant),
        sa.Column("closed_at", Instant),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_try_at", Instant),
        sa.Column("detail", Json, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_incidents"),
    )
    op.create_table(
        "purged_runs",
        sa.Column("policy_id", BIG, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("runs", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["policy_id"], ["policies.id"], name="fk_purged_runs_policy_id_policies"),
        sa.PrimaryKeyConstraint("policy_id", "state", name="pk_purged_runs"),
    )
    op.drop_index("ix_jobs_run_id", "jobs")
    op.create_index("ix_jobs_run_id_state", "jobs", ["run_id", "state"])
    op.create_index("ix_jobs_chat_ref", "jobs", ["chat_ref"])
    op.drop_index("ix_jobs_state", "jobs")
    op.create_index("ix_jobs_state", "jobs", ["state", "policy_id", "not_before", "id"])
    changes = sa.text(CHANGES)
    op.create_index(
        "ix_audit_events_changes", "audit_events", ["at"], sqlite_where=changes, postgresql_where=changes
    )
    there = sa.text("removed_at is null and missing_since is null")
    failures = sa.text("error_class is not null")
    keys = ["state", "last_failed_at", "id"]
    op.create_index("ix_jobs_failures", "jobs", keys, sqlite_where=failures, postgresql_where=failures)
    op.create_index("ix_chats_there", "chats", ["device_id"], sqlite_where=there, postgresql_where=there)
    op.add_column("holds", sa.Column("label_shown", sa.Text))
    _mask_labels()
    op.add_column("holds", sa.Column("key_id", sa.Text))
    op.execute(
        "UPDATE holds SET key_id = (SELECT min(key_id) FROM chats WHERE chats.chat_ref = holds.chat_ref)"
    )
    op.execute("INSERT INTO switches (name) VALUES ('pseudonym_keys')")
    _replace(VIEWS)
    op.execute("INSERT INTO switches (name) VALUES ('audit_checkpoint')")
    _let_the_checkpoint_cover()


def downgrade() -> None:
    _let_nothing_be_removed()
    op.execute("DELETE FROM switches WHERE name = 'audit_checkpoint'")
    before = op.get_context().script.get_revision("0004").module.VIEWS
    _replace({name: before[name] for name in VIEWS})
    op.execute("DELETE FROM switches WHERE name = 'pseudonym_keys'")
    op.drop_column("holds", "key_id")
    op.drop_column("holds", "label_shown")
    op.drop_index("ix_chats_there", "chats")
    op.drop_index("ix_jobs_failures", "jobs")
    op.drop_index("ix_audit_events_changes", "audit_events")
    op.drop_index("ix_jobs_state", "jobs")
    op.create_index("ix_jobs_state", "jobs", ["state", "policy_id", "not_before"])
    op.drop_index("ix_jobs_chat_ref", "jobs")
    op.drop_index("ix_jobs_run_id_state", "jobs")
    op.create_index("ix_jobs_run_id", "jobs", ["run_id"])
    op.drop_table("purged_runs")
    op.drop_table("incidents")


def _mask_labels() -> None:
    holds = sa.table(
        "holds", sa.column("id", BIG), sa.column("label", sa.Text), sa.column("label_shown", sa.Text)
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(holds).where(holds.c.label.is_not(None))).all():
        connection.execute(
            sa.update(holds).where(holds.c.id == row.id).values(label_shown=mask_numbers(row.label))
        )


def _replace(views: dict[str, str]) -> None:
    dialect = op.get_context().dialect.name
    for name, query in views.items():
        # Replaced, not dropped, where that can be done: a reporting role keeps its grants.
        if dialect == "sqlite":
            op.execute(f"DROP VIEW {name}")
        word = "CREATE" if dialect == "sqlite" else "CREATE OR REPLACE"
        op.execute(f"{word} VIEW {name} AS {spell(query, dialect)}")


def _let_the_checkpoint_cover() -> None:
    """Of the audit nothing is removed but what the checkpoint covers; that it is the true one, verifying shows."""
    postgresql = op.get_context().dialect.name == "postgresql"
    for table, (refusal, key) in AUDIT.items():
        checkpoint = (
            "FROM switches WHERE name = 'audit_checkpoint'"  # all is refused as long as it says nothing
        )
        if not postgresql:
            covers = f"OLD.{key} <= (SELECT CAST(json_extract(detail, '$.{key}') AS integer) {checkpoint})"
            op.execute(f"DROP TRIGGER {table}_no_delete")
            op.execute(
                f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN ({covers}) IS NOT TRUE"
                f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
            continue
        covers = f"OLD.{key} <= (SELECT CAST(detail ->> '{key}' AS bigint) {checkpoint})"
        op.execute(f"DROP TRIGGER {table}_kept ON {table}")
        op.execute(_on_postgresql(table, "UPDATE OR TRUNCATE"))
        op.execute(
            f"CREATE FUNCTION {table}_covered() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF ({covers}) IS NOT TRUE THEN RAISE EXCEPTION '{refusal}'; END IF; RETURN OLD; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_covered BEFORE DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {table}_covered()"
        )


def _let_nothing_be_removed() -> None:
    """As 0003 had it."""
    postgresql = op.get_context().dialect.name == "postgresql"
    for table, (refusal, _) in AUDIT.items():
        if not postgresql:
            op.execute(f"DROP TRIGGER {table}_no_delete")
            op.execute(
                f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
            continue
        op.execute(f"DROP TRIGGER {table}_covered ON {table}")
        op.execute(f"DROP FUNCTION {table}_covered()")
        op.execute(f"DROP TRIGGER {table}_kept ON {table}")
        op.execute(_on_postgresql(table, "UPDATE OR DELETE OR TRUNCATE"))


def _on_postgresql(table: str, changes: str) -> str:
    return f"CREATE TRIGGER {table}_kept BEFORE {changes} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {table}_kept()"
