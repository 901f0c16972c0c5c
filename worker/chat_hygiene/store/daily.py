"""The rollup that dashboards read instead of counting jobs. Days are UTC."""

from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import daily_counts, devices, policies

OUTCOMES = ("deleted", "removed_locally", "already_gone", "failed")


def count(session: Session, day: date, policy_id: int, device_id: int, state: str) -> None:
    """Adds one to the day's column named `state` (deleted, removed_locally, already_gone or failed)."""
    row = {"day": day, "policy_id": policy_id, "device_id": device_id, state: 1}
    session.execute(_counting(session.get_bind().dialect.name, state), row)


@cache
def _counting(dialect: str, state: str) -> Any:  # noqa: ANN401 - an insert of either dialect
    insert = (postgresql if dialect == "postgresql" else sqlite).insert
    return insert(daily_counts).on_conflict_do_update(
        index_elements=["day", "policy_id", "device_id"], set_={state: daily_counts.c[state] + 1}
    )


def by_policy(session: Session, since: date, until: date) -> list[Record]:
    """`day`, `policy` and its `OUTCOMES` on all numbers, of both days and those between, by day and policy."""
    query = (
        select(
            daily_counts.c.day,
            policies.c.name.label("policy"),
            *(func.sum(daily_counts.c[each]).label(each) for each in OUTCOMES),
        )
        .join(policies, policies.c.id == daily_counts.c.policy_id)
        .where(daily_counts.c.day.between(since, until))
        .group_by(daily_counts.c.day, policies.c.name)
        .order_by(daily_counts.c.day, policies.c.name)
    )
    return fetch(session, query)


def rows(session: Session, since: date, until: date) -> list[Record]:
    """The same by number, too: as `report_v1_deletions_daily` has it."""
    query = (
        select(
            *(daily_counts.c.day, policies.c.name.label("policy"), devices.c.device),
            *(daily_counts.c[each] for each in OUTCOMES),
        )
        .join(policies, policies.c.id == daily_counts.c.policy_id)
        .join(devices, devices.c.id == daily_counts.c.device_id)
        .where(daily_counts.c.day.between(since, until))
        .order_by(daily_counts.c.day, policies.c.name, devices.c.device)
    )
    return fetch(session, query)
