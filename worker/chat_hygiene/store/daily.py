"""The rollup that dashboards read instead of counting jobs. Days are UTC."""

from datetime import date

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.store.tables import daily_counts


def count(session: Session, day: date, policy_id: int, device_id: int, state: str) -> None:
    """Adds one to the day's column named `state` (deleted, removed_locally, already_gone or failed)."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {"day": day, "policy_id": policy_id, "device_id": device_id, state: 1}
    session.execute(
        dialect.insert(daily_counts)
        .values(row)
        .on_conflict_do_update(
            index_elements=["day", "policy_id", "device_id"], set_={state: daily_counts.c[state] + 1}
        )
    )
