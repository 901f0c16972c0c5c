"""Jobs that failed and have not succeeded since, the latest failure first, page by page along their index."""

from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import chats, devices, jobs, policies
from chat_hygiene.store.tables.jobs import FAILURES


def page(session: Session, *, limit: int, after: tuple[datetime, int] | None = None) -> list[Record]:
    """Those that failed before (last_failed_at, job_id): as `report_v1_failures` has them, with alias, state and name."""
    # The condition is the index's own, which names no table: it is asked of the jobs alone.
    latest = (
        select(jobs.c.id)
        .where(FAILURES)
        .order_by(jobs.c.last_failed_at.desc(), jobs.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        at, job_id = after
        earlier = or_(jobs.c.last_failed_at < at, and_(jobs.c.last_failed_at == at, jobs.c.id < job_id))
        latest = latest.where(jobs.c.last_failed_at <= at, earlier)
    query = (
        select(
            jobs.c.id.label("job_id"),
            *(jobs.c[name] for name in ("chat_ref", "chat_hint", "state", "error_class", "error_code")),
            *(jobs.c[name] for name in ("attempts", "crashes", "first_failed_at", "last_failed_at")),
            *(jobs.c.next_attempt_at, policies.c.name.label("policy")),
            *(devices.c.device, devices.c.alias, chats.c.name),
        )
        .join(policies, policies.c.id == jobs.c.policy_id)
        .join(devices, devices.c.id == jobs.c.device_id)
        .join(chats, chats.c.id == jobs.c.chat_id)
        .where(jobs.c.id.in_(latest.scalar_subquery()))
        .order_by(jobs.c.last_failed_at.desc(), jobs.c.id.desc())
    )
    return fetch(session, query)
