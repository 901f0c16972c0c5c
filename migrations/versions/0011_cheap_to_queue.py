"""What a queued job costs: fewer references that say more, no `IN` in a CHECK, and an index less; a population within its index.

SQLite builds the table of an `IN` anew for each row that a CHECK looks at. It changes no constraint in place: there the two
tables are written anew.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0011"
down_revision = "0010"

THERE = ("device_id", "kind", "pinned", "locked", "status", "removed_at", "missing_since")
SINGLE = {
    "fk_jobs_device_id_devices": ("devices", ["device_id"], ["id"]),
    "fk_jobs_policy_id_policies": ("policies", ["policy_id"], ["id"]),
    "fk_jobs_run_id_policy_runs": ("policy_runs", ["run_id"], ["id"]),
}
TOGETHER = {
    "fk_jobs_run_id_policy_id_policy_runs": ("policy_runs", ["run_id", "policy_id"], ["id", "policy_id"]),
}
TOLD = ("not_asked", "confirmed", "reported")
JOBS = {
    "debt_state": ("open", "settled", "superseded", "abandoned", "written_off"),
    "intent": ("platform", "whatsapp", "force"),
    "platform_state": ("removed", "forced", "unreachable", "unknown"),
    "state": (
        "queued", "leased", "sent", "deleted", "already_gone", "removed_locally", "cancelled", "failed", "quarantined",
    ),
    "whatsapp_state": (*TOLD, "unknown", "present"),
}  # fmt: skip
CANDIDATES = {"withheld_by": ("brake", "stale", "stopped")}

Spelling = Callable[[str, Iterable[str]], str]


def upgrade() -> None:
    op.create_index("uq_policy_runs_id_policy_id", "policy_runs", ["id", "policy_id"], unique=True)
    op.create_index("ix_policy_runs_policy_id_finished_at", "policy_runs", ["policy_id", "finished_at"])
    op.drop_index("ix_jobs_policy_id_queued_at", "jobs")
    _write(_compared, SINGLE, TOGETHER)
    _chats_there(THERE)


def downgrade() -> None:
    _chats_there(THERE[:1])
    _write(_listed, TOGETHER, SINGLE)
    op.create_index("ix_jobs_policy_id_queued_at", "jobs", ["policy_id", "queued_at"])
    op.drop_index("ix_policy_runs_policy_id_finished_at", "policy_runs")
    op.drop_index("uq_policy_runs_id_policy_id", "policy_runs")


def _compared(column: str, values: Iterable[str]) -> str:
    return " or ".join(f"{column} = '{value}'" for value in values)


def _listed(column: str, values: Iterable[str]) -> str:
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} in ({listed})"


def _write(spelling: Spelling, old: dict[str, tuple], new: dict[str, tuple]) -> None:
    deleted = f"state <> 'deleted' or (({spelling('whatsapp_state', TOLD)}) and platform_state = 'removed')"
    with _changed("jobs") as jobs:
        # Read back, it would be written in parentheses.
        jobs.alter_column("force", server_default=sa.text("false"))
        for name in old:
            jobs.drop_constraint(name, type_="foreignkey")
        for name, reference in new.items():
            jobs.create_foreign_key(name, *reference)
        _check(
            jobs,
            {name: spelling(name, values) for name, values in JOBS.items()} | {"deleted_is_deleted": deleted},
        )
    with _changed("run_candidates") as candidates:
        _check(candidates, {name: spelling(name, values) for name, values in CANDIDATES.items()})


def _check(table: BatchOperations, checks: dict[str, str]) -> None:
    for name, check in checks.items():
        named = f"ck_{table.impl.table_name}_{name}"
        table.drop_constraint(named, type_="check")
        table.create_check_constraint(named, check)


@contextmanager
def _changed(table: str) -> Iterator[BatchOperations]:
    """SQLite's table is written anew, and then its indexes in their order: of two that promise the same it takes the last."""
    if op.get_context().dialect.name != "sqlite":
        with op.batch_alter_table(table) as batch:
            yield batch
        return
    mine = sa.text(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL ORDER BY rowid"
    )
    indexes = op.get_bind().execute(mine, {"table": table}).all()
    for index in indexes:
        op.drop_index(index.name, table)
    # Or it would refuse the new name, because views speak of a table that is not there meanwhile.
    op.execute("PRAGMA legacy_alter_table = ON")
    with op.batch_alter_table(table, recreate="always") as batch:
        yield batch
    op.execute("PRAGMA legacy_alter_table = OFF")
    for index in indexes:
        op.execute(index.sql)


def _chats_there(keys: Iterable[str]) -> None:
    there = sa.text("removed_at is null and missing_since is null")
    op.drop_index("ix_chats_there", "chats")
    op.create_index("ix_chats_there", "chats", [*keys], sqlite_where=there, postgresql_where=there)
