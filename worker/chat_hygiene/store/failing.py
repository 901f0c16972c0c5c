"""Jobs that failed and have not succeeded since, the latest failure first, page by page along their index."""

from datetime import datetime
from operator import itemgetter

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from chat_hygiene.core.states import JobState
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import chats, devices, jobs, policies

_STATES = (JobState.QUEUED, JobState.FAILED, JobState.QUARANTINED)


def page(session: Session, *, limit: int, after: tuple[datetime, int] | None = None) -> list[Record]:
    """Those that failed before (last_failed_at, job_id): as `report_v1_failures` has them, with alias, state and name."""
    rows: list[Record] = []
    # One state at a time, each along its part of the index.
    for state in _STATES:
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
            .where(jobs.c.state == state.value, jobs.c.error_class.is_not(None))
            .order_by(jobs.c.last_failed_at.desc(), jobs.c.id.desc())
            .limit(limit)
        )
        if after is not None:
            at, job_id = after
            earlier = or_(jobs.c.last_failed_at < at, and_(jobs.c.last_failed_at == at, jobs.c.id < job_id))
            query = query.where(jobs.c.last_failed_at <= at, earlier)
        rows += fetch(session, query)
    return sorted(rows, key=itemgetter("last_failed_at", "job_id"), reverse=True)[:limit]
