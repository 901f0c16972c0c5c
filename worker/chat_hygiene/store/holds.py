"""Legal holds: what they cover, placing and releasing them, and the jobs that one meets.

A hold wins over every policy. Who asks whether a chat is held asks `clause`; how the gate, evaluations and holds take
turns is `store.switches`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, false, func, insert, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql import literal

from chat_hygiene.core.states import JobState
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import chats, devices, holds, jobs
from chat_hygiene.store.types import Instant
from chat_policies import Clause
from chat_policies.conditions.labels import HasAny

# Written into the statement and not bound: the planner must see that a partial index holds all these rows.
_SENT = jobs.c.state == literal(JobState.SENT.value, literal_execute=True)
_QUEUED = jobs.c.state == literal(JobState.QUEUED.value, literal_execute=True)
_WORKING = jobs.c.state.in_(
    [literal(state.value, literal_execute=True) for state in (JobState.LEASED, JobState.SENT)]
)

GRACE_AFTER = timedelta(days=1)
"""What a hold covered until so lately leaves no sooner than so long after it was queued, whatever its policy says."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a hold covers: one chat of a number, every chat with a label, or every chat of a number.

    `device_id` is the number's row; None, for a label only: on every number. `key_id`: of the key that made `chat_ref`.
    """

    scope: Literal["chat", "label", "device"]
    device_id: int | None
    chat_ref: str | None = None
    label: str | None = None
    key_id: str | None = None

    def covers(self) -> ColumnElement[bool]:
        """Over `store.tables.chats`; never NULL."""
        wanted = []
        if self.device_id is not None:
            wanted.append(chats.c.device_id == self.device_id)
        if self.chat_ref is not None:
            wanted.append(chats.c.chat_ref == self.chat_ref)
        if self.label is not None:
            wanted.append(HasAny(chats.c.labels, [self.label]))
        return and_(*wanted)


def clause(chat: FromClause, *, now: datetime) -> Clause:
    """True for a held chat; a candidate must not be one."""
    return Clause(name="hold", words="under a hold", sql=_covered(chat, _active(now)), wanted=False, facts=())


def ended_since(
    chat: FromClause, since: ColumnElement[datetime] | datetime, *, now: datetime
) -> ColumnElement[bool]:
    """Whether a hold that covers the chat was released, or ran out, after `since`: what was decided before is void."""
    at = literal(now, Instant())
    after = since if isinstance(since, ColumnElement) else literal(since, Instant())
    end = func.coalesce(holds.c.released_at, holds.c.until, type_=Instant())
    return _covered(chat, and_(end > after, end <= at))


def lately_ended(chat: FromClause, *, now: datetime) -> ColumnElement[bool]:
    """Whether a hold on the chat ended less than `GRACE_AFTER` ago: it gets at least that as grace."""
    return ended_since(chat, now - GRACE_AFTER, now=now)


def _active(now: datetime) -> ColumnElement[bool]:
    return and_(
        holds.c.released_at.is_(None), or_(holds.c.until.is_(None), holds.c.until > literal(now, Instant()))
    )


def _covered(chat: FromClause, which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether any of these holds covers the chat; never NULL."""
    # Whether there is one at all is looked at once, and not for every chat. Then one look into one index each: thousands of
    # holds on single chats are not read for every chat.
    # A case, because SQLite works out both sides of an AND.
    some, covered = exists().where(which), or_(*(exists().where(way, which) for way in _ways(chat)))
    return case((some, covered), else_=false())


def _covers(chat: FromClause) -> ColumnElement[bool]:
    return or_(*_ways(chat))


def _ways(chat: FromClause) -> tuple[ColumnElement[bool], ...]:
    """How a hold may cover a chat; each as the index says it that serves it."""
    here = or_(holds.c.device_id.is_(None), holds.c.device_id == chat.c.device_id)
    return (
        and_(holds.c.chat_ref == chat.c.chat_ref, here),
        and_(holds.c.label.is_not(None), HasAny(chat.c.labels, [holds.c.label]), here),
        and_(holds.c.scope == literal("device", literal_execute=True), holds.c.device_id == chat.c.device_id),
    )


def standing(session: Session, target: Target, *, until: datetime | None, now: datetime) -> int | None:
    """The id of an active hold on exactly this that lasts as long, if there is one."""
    lasts: ColumnElement[bool] = holds.c.until.is_(None)
    if until is not None:
        lasts = or_(lasts, holds.c.until >= until)
    same = [
        holds.c[name].is_not_distinct_from(getattr(target, name))
        for name in ("scope", "device_id", "chat_ref", "label")
    ]
    query = select(func.min(holds.c.id)).where(_active(now), lasts, *same)
    found: int | None = session.execute(query).scalar_one()
    return found


def place(
    session: Session, target: Target, *, reason: str, until: datetime | None, now: datetime, actor: str
) -> int:
    """Stores a hold and returns its id. Its jobs are not touched: no gate lets one of them go from here on."""
    values = {
        "scope": target.scope,
        "device_id": target.device_id,
        "chat_ref": target.chat_ref,
        "key_id": target.key_id,
        "label": target.label,
        "label_shown": None if target.label is None else mask_numbers(target.label),
        "reason": reason,
        "held_by": actor,
        "placed_at": now,
        "until": until,
    }
    hold_id: int = session.execute(insert(holds).values(values).returning(holds.c.id)).scalar_one()
    return hold_id


def named(session: Session, refs: Collection[str]) -> set[str]:
    """Those of these pseudonyms that a hold names which was not released."""
    if not refs:
        return set()
    query = select(holds.c.chat_ref).where(holds.c.chat_ref.in_(refs), holds.c.released_at.is_(None))
    return {ref for ref in session.execute(query).scalars() if ref is not None}


def by_key(session: Session, *, now: datetime) -> dict[str, int]:
    """How many active holds name a chat by a pseudonym of each key."""
    query = select(holds.c.key_id, func.count()).where(_active(now), holds.c.key_id.is_not(None))
    return dict(session.execute(query.group_by(holds.c.key_id)).all())


def unrecognised(session: Session, given: Collection[str], *, now: datetime) -> list[tuple[int, str]]:
    """Id and key of the active holds on chats that are not here, or without their id, by keys other than these."""
    here = exists().where(
        chats.c.device_id == holds.c.device_id, chats.c.chat_ref == holds.c.chat_ref, chats.c.wid.is_not(None)
    )
    query = select(holds.c.id, holds.c.key_id).where(_active(now), holds.c.key_id.not_in(given), ~here)
    return [tuple(row) for row in session.execute(query.order_by(holds.c.id))]


def release(session: Session, hold_ids: Sequence[int], *, now: datetime, actor: str) -> None:
    """Ends these holds now."""
    session.execute(update(holds).where(holds.c.id.in_(hold_ids)).values(released_at=now, released_by=actor))


def listing(
    session: Session,
    *,
    now: datetime,
    hold_ids: Sequence[int] | None = None,
    chat_id: int | None = None,
    ended: bool = True,
    before: int | None = None,
    limit: int | None = None,
) -> list[Record]:
    """Holds, the newest first, each with its number's id and alias, its chat's hint and name, its label as reports show it, and its `state`.

    The state is `active`, `released` or `over`: its end came. Without `ended` only active ones; with a chat those on it;
    `before`: those older than one of them.
    """
    state = func.coalesce(
        select(literal("released"))
        .where(holds.c.released_at.is_not(None))
        .correlate(holds)
        .scalar_subquery(),
        select(literal("active")).where(_active(now)).correlate(holds).scalar_subquery(),
        "over",
    )
    query = (
        select(
            holds, devices.c.device, devices.c.alias, chats.c.chat_hint, chats.c.name, state.label("state")
        )
        .outerjoin(devices, devices.c.id == holds.c.device_id)
        .outerjoin(chats, and_(chats.c.device_id == holds.c.device_id, chats.c.chat_ref == holds.c.chat_ref))
        .order_by(holds.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(holds.c.id < before)
    if hold_ids is not None:
        query = query.where(holds.c.id.in_(hold_ids))
    if chat_id is not None:
        chat = chats.alias()
        query = query.where(exists().where(chat.c.id == chat_id, _covers(chat)))
    if not ended:
        query = query.where(_active(now))
    return [row | {"label": row["label_shown"]} for row in fetch(session, query)]


@dataclass(frozen=True, slots=True)
class Met:
    """The jobs past the queue that a new hold met.

    Attributes:
        at_the_gate: how many a worker holds that has not called yet: the gate cancels each.
        too_late: those whose call is out, or whose call's outcome is not known yet: id, device, chat_ref and chat_hint.
    """

    at_the_gate: int
    too_late: tuple[Record, ...]


def meets(session: Session, targets: Sequence[Target]) -> Met:
    """What holds on these meet. Exact while no gate decides (`switches.shut_gate`)."""
    called = or_(_SENT, jobs.c.intent.is_not(None))
    query = (
        select(jobs.c.id, devices.c.device, jobs.c.chat_ref, jobs.c.chat_hint, called.label("called"))
        .join(chats, chats.c.id == jobs.c.chat_id)
        .join(devices, devices.c.id == jobs.c.device_id)
        .where(_any(targets))
        .order_by(jobs.c.id)
    )
    # Two looks into small indexes: in one, a planner may read all that is queued.
    found = [*fetch(session, query.where(_WORKING)), *fetch(session, query.where(_QUEUED, called))]
    late = [row for row in found if row.pop("called")]
    return Met(at_the_gate=len(found) - len(late), too_late=tuple(late))


def waiting(session: Session, targets: Sequence[Target]) -> list[int]:
    """Ids of the queued jobs without a call out that holds on these cover."""
    query = (
        select(jobs.c.id)
        .join(chats, chats.c.id == jobs.c.chat_id)
        .where(_QUEUED, jobs.c.intent.is_(None), _any(targets))
    )
    return sorted(session.execute(query).scalars())


def held_jobs(session: Session, job_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Those of these jobs that are queued, without a call out, and under a hold; locked."""
    query = (
        select(jobs.c.id)
        .join(chats, chats.c.id == jobs.c.chat_id)
        .where(jobs.c.id.in_(job_ids), _QUEUED, jobs.c.intent.is_(None), clause(chats, now=now).sql)
        .order_by(jobs.c.id)
        # What somebody moves right now comes to the gate, and the gate asks for holds too.
        .with_for_update(of=jobs, skip_locked=True)
    )
    return list(session.execute(query).scalars())


def _any(targets: Sequence[Target]) -> ColumnElement[bool]:
    return or_(*(target.covers() for target in targets))
