"""What may never change: audit events, their seals, and the versions of policies.

PostgreSQL's statement triggers see every way to change a row, TRUNCATE and ON CONFLICT DO UPDATE too. SQLite's
`INSERT OR REPLACE` removes the old row without a delete trigger, so there an insert over an existing key is refused.

Sealing needs to know that no event with a lower number can still appear. SQLite has one writer at a time. On PostgreSQL
each transaction that writes events holds a shared lock, taken before its first number is drawn; the sealer takes it alone.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

# The same number as in store/seals.py.
AUDIT_LOCK = 7236417082

# table: what the refusal says, and its keys
KEPT = {
    "audit_events": ("audit events are never changed", (("seq",),)),
    "audit_seals": ("audit seals are never changed", (("position",), ("event_id",))),
    "policy_versions": (
        "a policy version is never changed: store a new one",
        (("id",), ("policy_id", "version")),
    ),
}


def upgrade() -> None:
    postgresql = op.get_context().dialect.name == "postgresql"
    for table, (refusal, keys) in KEPT.items():
        for statement in _postgresql(table, refusal) if postgresql else _sqlite(table, refusal, keys):
            op.execute(statement)
    if postgresql:
        op.execute(
            "CREATE FUNCTION audit_events_announced() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN PERFORM pg_advisory_xact_lock_shared({AUDIT_LOCK}); RETURN NULL; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_events_announced BEFORE INSERT ON audit_events"
            " FOR EACH STATEMENT EXECUTE FUNCTION audit_events_announced()"
        )


def downgrade() -> None:
    postgresql = op.get_context().dialect.name == "postgresql"
    if postgresql:
        op.execute("DROP TRIGGER audit_events_announced ON audit_events")
        op.execute("DROP FUNCTION audit_events_announced()")
    for table in KEPT:
        if postgresql:
            op.execute(f"DROP TRIGGER {table}_kept ON {table}")
            op.execute(f"DROP FUNCTION {table}_kept()")
        else:
            for event in ("update", "delete", "insert"):
                op.execute(f"DROP TRIGGER {table}_no_{event}")


def _postgresql(table: str, refusal: str) -> list[str]:
    body = f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    every_change = f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"
    return [
        f"CREATE FUNCTION {table}_kept() RETURNS trigger LANGUAGE plpgsql AS {body}",
        f"CREATE TRIGGER {table}_kept {every_change} EXECUTE FUNCTION {table}_kept()",
    ]


def _sqlite(table: str, refusal: str, keys: tuple[tuple[str, ...], ...]) -> list[str]:
    over = " OR ".join("(" + " AND ".join(f"{key} = NEW.{key}" for key in columns) + ")" for columns in keys)
    taken = f"EXISTS (SELECT 1 FROM {table} WHERE {over})"  # noqa: S608 - names from above
    refuse = f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_insert BEFORE INSERT ON {table} WHEN {taken} {refuse}",
    ]
