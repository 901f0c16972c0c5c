"""The audit's own retention: its oldest part goes, and a signed checkpoint says up to where, so that the rest still verifies.

Each batch is moved over by the checkpoint and removed in one transaction, once the chain over it was recomputed: what was
tampered with stays where it is. The triggers let nothing else be removed.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, literal, select, text
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import AuditBrokenError
from chat_hygiene.core.events import Event
from chat_hygiene.store import audit, seals
from chat_hygiene.store.chain import CHECKPOINT, BrokenError, Chain, Link
from chat_hygiene.store.tables import audit_events, audit_seals, switches
from chat_hygiene.store.types import Instant

BATCH = 5000
_MAY = text(
    "SELECT has_table_privilege('audit_events', 'DELETE') AND has_table_privilege('audit_seals', 'DELETE')"
)


@dataclass(frozen=True, slots=True)
class Oldest:
    """The oldest sealed events, all of them from `before` an instant: those after event `after` and up to event `seq`.

    `position` is that of the last one; `events` is how many they are, 0 when there is none.
    """

    before: datetime
    events: int
    after: int
    seq: int
    position: int


def allowed(session: Session) -> bool:
    """Whether this database role may remove audit events at all: the application's may not."""
    return session.get_bind().dialect.name == "sqlite" or bool(session.execute(_MAY).scalar_one())


def oldest(session: Session, key: bytes, *, before: datetime) -> Oldest:
    """What may go: sealed events, from the oldest on, up to the first one that is not older.

    Raises AuditBrokenError when the marks are not this key's.
    """
    base = seals.marks(session, Chain(key)).base
    # In the order of the chain: where clocks were wrong, a younger event keeps what follows it.
    events = select(audit_events.c.seq).where(
        audit_events.c.seq > base.seq, audit_events.c.at >= literal(before, Instant())
    )
    first_kept = session.execute(events.order_by(audit_events.c.seq).limit(1)).scalar_one_or_none()
    query = select(func.max(audit_seals.c.event_id), func.max(audit_seals.c.position))
    if first_kept is not None:
        query = query.where(audit_seals.c.event_id < first_kept)
    seq, position = session.execute(query).one()
    if position is None:
        return Oldest(before, 0, base.seq, base.seq, base.position)
    return Oldest(before, position - base.position, base.seq, seq, position)


def remove(session: Session, key: bytes, *, through: int, now: datetime, actor: str) -> int:
    """Removes the oldest `BATCH` sealed events up to position `through`; returns how many, 0 when none is left there.

    Raises AuditBrokenError when they do not verify: nothing is removed then.
    """
    session.execute(select(switches.c.name).where(switches.c.name == CHECKPOINT).with_for_update()).one()
    chain = Chain(key)
    link = base = seals.marks(session, chain).base
    wanted = min(through - base.position, BATCH)
    if wanted <= 0:
        return 0
    try:
        for row in seals.rows(session, base.position, wanted):
            link = seals.follow(chain, link, row)
    except BrokenError as problem:
        raise _broken(str(problem)) from None
    events = link.position - base.position
    if events == 0:
        return 0
    # Before anything goes: SQLite would give a `seq` once more when all events were gone.
    _tell(session, link, events, now, actor)
    chain.set_checkpoint(session, link, now)
    for statement in (
        delete(audit_seals).where(audit_seals.c.position <= link.position),
        delete(audit_events).where(audit_events.c.seq <= link.seq),
    ):
        if session.connection().execute(statement).rowcount != events:
            raise _broken(f"an event or a seal was inserted before position {link.position}")
    return events


def _tell(session: Session, link: Link, events: int, now: datetime, actor: str) -> None:
    detail = {"events": events, "through": link.position, "through_seq": link.seq}
    audit.append(session, Event.AUDIT_PURGED, at=now, actor=actor, detail=detail)


def _broken(problem: str) -> AuditBrokenError:
    return AuditBrokenError(
        f"the audit does not verify, so nothing is purged: {problem}", fix="see `chat-hygiene audit verify`"
    )
