"""Debts as a person reads them: what is removed here and perhaps still in WhatsApp, the oldest first. Reads only."""

from datetime import datetime
from operator import itemgetter

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from chat_hygiene.core.debts import DebtState
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import chats, devices, jobs, policies

OWED = (DebtState.OPEN, DebtState.ABANDONED)


def page(session: Session, *, limit: int, after: tuple[datetime, int] | None = None) -> list[Record]:
    """Those that are open or abandoned, after (opened_at, job_id): columns as `report_v1_debt` has them, with alias."""
    rows: list[Record] = []
    # One state at a time, each along the index by age.
    for state in OWED:
        query = (
            select(
                jobs.c.id.label("job_id"),
                *(jobs.c.chat_ref, jobs.c.chat_hint, jobs.c.whatsapp_state, chats.c.name),
                *(
                    jobs.c[f"debt_{name}"].label(name)
                    for name in ("opened_at", "reason", "probes", "next_probe_at", "state")
                ),
                *(policies.c.name.label("policy"), devices.c.device, devices.c.alias),
                devices.c.session_status,
            )
            .join(policies, policies.c.id == jobs.c.policy_id)
            .join(devices, devices.c.id == jobs.c.device_id)
            .join(chats, chats.c.id == jobs.c.chat_id)
            .where(jobs.c.debt_state == state.value)
            .order_by(jobs.c.debt_opened_at, jobs.c.id)
            .limit(limit)
        )
        if after is not None:
            at, job_id = after
            later = or_(jobs.c.debt_opened_at > at, and_(jobs.c.debt_opened_at == at, jobs.c.id > job_id))
            query = query.where(jobs.c.debt_opened_at >= at, later)
        rows += fetch(session, query)
    return sorted(rows, key=itemgetter("opened_at", "job_id"))[:limit]
