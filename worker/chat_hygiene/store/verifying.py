"""Verifying: the whole chain is recomputed, and the first row that does not hold is named.

Events that no seal covers yet are "not yet proven", never wrong. Who replaces the whole ledger by an older copy of it, or
empties it, cannot be found out from within: a head that was exported before, and kept elsewhere, shows that too.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from chat_hygiene.store import seals
from chat_hygiene.store.chain import BrokenError, Chain, Link, Marks
from chat_hygiene.store.tables import audit_events, audit_seals

BATCH = 5000
Progress = Callable[[int, int], None]
"""Gets how many events are proven so far, and of how many."""
HeadSeen = Literal["proven", "purged"]

_UNSEALED = ~exists().where(audit_seals.c.event_id == audit_events.c.seq)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found. `problem` names the first row that does not hold, `seq` its event, `position` its seal.

    Attributes:
        sealed: events proven, up to the problem if there is one.
        unsealed: events that no seal covers yet; all of them when it is not known where the chain ends.
        purged: events that were removed when their time was over, at `purged_at`; the signed checkpoint says so.
        head: of an exported head: `proven` when the chain holds it, `purged` when its event is gone by now, so that nobody
            can tell any more.
    """

    ok: bool
    sealed: int
    unsealed: int
    problem: str | None = None
    seq: int | None = None
    position: int | None = None
    purged: int = 0
    purged_at: datetime | None = None
    head: HeadSeen | None = None


def verify(
    session: Session, key: bytes, progress: Progress | None = None, *, exported: Link | None = None
) -> Verdict:
    """Recomputes the whole chain, in flat memory, and looks for `exported`, the head of an earlier day, on it.

    Give it a session of `reading()`, so that it sees one snapshot.
    """
    chain, link = Chain(key), Link()
    marks: Marks | None = None
    head: HeadSeen | None = None
    broken: BrokenError | None = None
    try:
        marks = chain.marks(session)
        link, total = marks.base, marks.head.position - marks.base.position
        # Closed at once where the chain breaks: what follows asks the same session.
        with closing(seals.walk(session, link.position, batch=BATCH)) as walk:
            for row in walk:
                link = seals.follow(chain, link, row)
                if progress is not None and link.position % BATCH == 0:
                    progress(link.position - marks.base.position, total)
        _check_end(session, link, marks)
        if exported is not None:
            head = _look_for(session, exported, marks)
    except BrokenError as problem:
        broken = problem
    base = marks.base.position if marks else 0
    beyond = _count(session, audit_events.c.seq > (marks.head.seq if marks else 0))
    return Verdict(
        ok=broken is None,
        sealed=max(link.position - base, 0),
        unsealed=beyond,
        problem=None if broken is None else str(broken),
        seq=None if broken is None else broken.seq,
        position=None if broken is None else broken.position,
        purged=base,
        purged_at=marks.purged_at if marks else None,
        head=head,
    )


def _check_end(session: Session, link: Link, marks: Marks) -> None:
    base, head = marks.base, marks.head
    if link.position < head.position:
        first = link.position + 1
        raise BrokenError(
            f"the end was cut off: seals {first} to {head.position} are missing", position=first
        )
    if link != head:
        raise BrokenError(f"the chain goes on beyond its head at {head.position}", position=head.position + 1)
    below = select(func.max(audit_seals.c.position)).where(audit_seals.c.position <= base.position)
    if (position := session.execute(below).scalar_one()) is not None:
        raise BrokenError(
            f"seal {position} was put before the checkpoint at {base.position}", position=position
        )
    # Each seal has its event: where there are more events than seals, one is without.
    if _count(session) - _count(session, audit_events.c.seq > head.seq) != head.position - base.position:
        first_one = select(func.min(audit_events.c.seq)).where(audit_events.c.seq <= head.seq, _UNSEALED)
        seq = session.execute(first_one).scalar_one()
        raise BrokenError(f"event {seq} was inserted among sealed ones", seq=seq)


def _look_for(session: Session, exported: Link, marks: Marks) -> HeadSeen:
    position = exported.position
    if position < marks.base.position:
        return "purged"
    if position > marks.head.position:
        raise BrokenError(
            f"the chain ends at {marks.head.position}, and had reached {position} when its head was exported:"
            " the end was cut off, or an older copy was put in its place",
            position=marks.head.position + 1,
        )
    there = select(audit_seals.c.position, audit_seals.c.event_id, audit_seals.c.hash)
    row = session.execute(there.where(audit_seals.c.position == position)).one_or_none()
    if exported != (marks.base if row is None else Link(*row)):
        raise BrokenError(
            f"seal {position} is another one than when the head was exported: the chain was made anew from"
            f" {position} or before",
            seq=None if row is None else row.event_id,
            position=position,
        )
    return "proven"


def _count(session: Session, *which: ColumnElement[bool]) -> int:
    return session.execute(select(func.count()).select_from(audit_events).where(*which)).scalar_one()
