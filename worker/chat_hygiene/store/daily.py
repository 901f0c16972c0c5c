"""The rollup that dashboards read instead of counting jobs. Days are UTC."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import daily_counts, devices, policies

OUTCOMES = ("deleted", "removed_locally", "already_gone", "failed")


def count(session: Session, day: date, ended: Iterable[tuple[int, int, str]]) -> None:
    """Adds what ended to the day's columns: each a policy, a device, and one of `OUTCOMES`."""
    counts: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for policy_id, device_id, outcome in ended:
        counts[policy_id, device_id][outcome] += 1
    # In one order, so that two that count at once do not wait for each other.
    rows = [
        {"day": day, "policy_id": policy_id, "device_id": device_id, **{each: of[each] for each in OUTCOMES}}
        for (policy_id, device_id), of in sorted(counts.items())
    ]
    if rows:
        session.execute(_counting(session.get_bind().dialect.name), rows)


@cache
def _counting(dialect: str) -> Any:  # noqa: ANN401 - an insert of either dialect
    more = (postgresql if dialect == "postgresql" else sqlite).insert(daily_counts)
    return more.on_conflict_do_update(
        index_elements=["day", "policy_id", "device_id"],
        set_={each: daily_counts.c[each] + more.excluded[each] for each in OUTCOMES},
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
