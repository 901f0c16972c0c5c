"""Who changed what a deletion depends on: policies, holds and the stop switch. The latest first, along the index of changes."""

from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import audit_events
from chat_hygiene.store.tables.ledger import CHANGES


def page(session: Session, *, limit: int, after: tuple[datetime, int] | None = None) -> list[Record]:
    """Events before (at, seq), of the kinds that `report_v1_changes` shows; `detail` as it was written."""
    query = (
        select(audit_events)
        .where(CHANGES)
        .order_by(audit_events.c.at.desc(), audit_events.c.seq.desc())
        .limit(limit)
    )
    if after is not None:
        at, seq = after
        earlier = or_(audit_events.c.at < at, and_(audit_events.c.at == at, audit_events.c.seq < seq))
        query = query.where(audit_events.c.at <= at, earlier)
    return fetch(session, query)
