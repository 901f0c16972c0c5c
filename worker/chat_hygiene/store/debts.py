"""Debts: the one mover of a debt's state, each move with its audit event, and finding those that are due for a look.

A chat's id is kept as long as one of its removals is owed, and goes with the last one. Locks are taken chat first, then
jobs by id: a sync that finds a chat back holds the chat already.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, exists, func, or_, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.debts import ABANDONED_AFTER, MOVES, DebtState, Finding, next_look
from chat_hygiene.core.events import Event
from chat_hygiene.store import audit
from chat_hygiene.store.tables import chats, devices, jobs, policies

EVENTS = {
    DebtState.SETTLED: Event.DEBT_SETTLED,
    DebtState.SUPERSEDED: Event.DEBT_SUPERSEDED,
    DebtState.ABANDONED: Event.DEBT_ABANDONED,
    DebtState.WRITTEN_OFF: Event.DEBT_WRITTEN_OFF,
}
"""Each state that closes a debt, and the event that tells of it."""
_OPEN = jobs.c.debt_state == DebtState.OPEN.value
# What the removed life ended with; a chat that is listed again as it was had no message before it was.
_LAST_MESSAGE_AT = case(
    (chats.c.removed_at.is_not(None), chats.c.removed_last_message_at), else_=chats.c.resurrected_at
)
# Built once: every outcome asks.
_STANDING = select(jobs.c.chat_id, jobs.c.debt_state).where(
    jobs.c.chat_id.in_(bindparam("chats", expanding=True)),
    jobs.c.debt_state.in_([state.value for state in MOVES[DebtState.SETTLED]]),
)
_CHAT = select(chats.c.id).where(chats.c.id == bindparam("chat")).with_for_update()
_OWED_JOBS = (
    select(
        *(jobs.c.id, jobs.c.version, jobs.c.run_id, jobs.c.chat_ref),
        *(devices.c.device, policies.c.name.label("policy")),
    )
    .join(devices, devices.c.id == jobs.c.device_id)
    .join(policies, policies.c.id == jobs.c.policy_id)
    .where(jobs.c.chat_id == bindparam("chat"), jobs.c.debt_state.in_(bindparam("states", expanding=True)))
    .order_by(jobs.c.id)
    .with_for_update(of=jobs)
)


@dataclass(frozen=True, slots=True)
class Debt:
    """A debt to look at. A message after `last_message_at` makes the chat a new conversation."""

    job_id: int
    chat_id: int
    device_id: int
    device: str
    wid: str = field(repr=False)
    chat_ref: str
    probes: int
    last_message_at: datetime | None


def opening(reason: str, *, now: datetime) -> dict[str, Any]:
    """The columns of a job that is moved to `removed_locally`: its debt is looked for at once."""
    return {
        "debt_state": DebtState.OPEN.value,
        "debt_reason": reason,
        "debt_opened_at": now,
        "debt_next_probe_at": now,
    }


def close(
    session: Session,
    chat_id: int,
    state: DebtState,
    *,
    now: datetime,
    actor: str,
    job_id: int | None = None,
    whatsapp_state: str | None = None,
    detail: Mapping[str, object] | None = None,
) -> int:
    """Moves the chat's debts, or only that of `job_id`, to `state`; those that cannot take it stay. Returns how many.

    `whatsapp_state` is what is known of WhatsApp by now. The chat's id is erased when nothing of it is owed any more.
    """
    session.execute(_CHAT, {"chat": chat_id}).one()
    wanted = {"chat": chat_id, "states": [each.value for each in MOVES[state]]}
    rows = [row for row in session.execute(_OWED_JOBS, wanted) if job_id in {None, row.id}]
    changes: dict[str, Any] = {"debt_state": state.value, "debt_next_probe_at": None}
    if whatsapp_state is not None:
        changes["whatsapp_state"] = whatsapp_state
    if state is DebtState.SETTLED:
        changes["debt_settled_at"] = now
    for row in rows:
        session.execute(update(jobs).where(jobs.c.id == row.id).values(changes))
        audit.append(
            session,
            EVENTS[state],
            at=now,
            actor=actor,
            policy=row.policy,
            policy_version=row.version,
            run_id=row.run_id,
            job_id=row.id,
            device=row.device,
            chat_ref=row.chat_ref,
            detail=detail,
        )
    if rows and not owed(session, chat_id):
        # A chat that is back keeps its id: it lives.
        session.execute(
            update(chats).where(chats.c.id == chat_id, chats.c.removed_at.is_not(None)).values(wid=None)
        )
    return len(rows)


def superseded(session: Session, chat_id: int, *, now: datetime, actor: str) -> None:
    """The chat came back with a newer message: what was owed of its earlier life is moot."""
    close(session, chat_id, DebtState.SUPERSEDED, now=now, actor=actor)


def standing(session: Session, chat_ids: Collection[int]) -> dict[int, set[DebtState]]:
    """By chat that has any: the states of its debts that can still be closed."""
    found: dict[int, set[DebtState]] = {}
    for chat_id, state in session.execute(_STANDING, {"chats": list(chat_ids)}):
        found.setdefault(chat_id, set()).add(DebtState(state))
    return found


def owed(session: Session, chat_id: int) -> bool:
    """Whether a removal of the chat is still owed in WhatsApp, and looked for."""
    query = select(jobs.c.id).where(jobs.c.chat_id == chat_id, _OPEN)
    return session.execute(query.limit(1)).one_or_none() is not None


def looked(session: Session, debt: Debt, finding: Finding, *, now: datetime, actor: str) -> None:
    """Stores what a look showed: proof settles every debt of the chat, anything else plans the next look.

    Of a debt that was closed meanwhile it says nothing, unless it proves more.
    """
    looks = debt.probes + 1
    # The chat first, as everywhere; the debt may be closed by now, by an operator or because the chat is back.
    session.execute(_CHAT, {"chat": debt.chat_id}).one()
    changes: dict[str, Any] = {"debt_probes": looks, "debt_next_probe_at": next_look(looks, now)}
    if finding.whatsapp_state is not None:
        changes["whatsapp_state"] = finding.whatsapp_state
    session.execute(update(jobs).where(jobs.c.id == debt.job_id, _OPEN).values(changes))
    if finding.state is not DebtState.OPEN:
        close(
            session,
            debt.chat_id,
            finding.state,
            now=now,
            actor=actor,
            whatsapp_state=finding.whatsapp_state,
        )


def count(session: Session, state: DebtState) -> int:
    """How many debts stand so."""
    query = select(func.count()).select_from(jobs).where(jobs.c.debt_state == state.value)
    return session.execute(query).scalar_one()


def due(session: Session, *, now: datetime) -> bool:
    """Whether a debt can be looked for now, or is to be abandoned."""
    look = exists(_lookable(now).with_only_columns(jobs.c.id))
    return bool(session.execute(select(or_(look, exists().where(_too_old(now))))).scalar_one())


def due_by_device(session: Session, *, now: datetime) -> list[int]:
    """Row ids of the devices on which debts can be looked for now."""
    query = _lookable(now).with_only_columns(jobs.c.device_id).distinct()
    return sorted(session.execute(query).scalars())


def due_on(session: Session, device_id: int, *, now: datetime) -> bool:
    """Whether a debt of this device can be looked for now."""
    look = exists(_lookable(now).where(jobs.c.device_id == device_id).with_only_columns(jobs.c.id))
    return bool(session.execute(select(look)).scalar_one())


def claim(session: Session, device_id: int, *, now: datetime, until: datetime) -> Debt | None:
    """The debt of this device that has been due for longest, for one looker: nobody else gets it before `until`."""
    query: Select[Any] = (
        _lookable(now)
        .where(jobs.c.device_id == device_id)
        .with_only_columns(
            *(jobs.c.id, jobs.c.chat_id, jobs.c.device_id, devices.c.device, chats.c.wid),
            *(jobs.c.chat_ref, jobs.c.debt_probes, _LAST_MESSAGE_AT),
        )
        .order_by(jobs.c.debt_next_probe_at, jobs.c.id)
        .limit(1)
        .with_for_update(of=jobs, skip_locked=True)
    )
    if (row := session.execute(query).one_or_none()) is None:
        return None
    debt = Debt(*row)
    plan(session, debt, at=until)
    return debt


def plan(session: Session, debt: Debt, *, at: datetime) -> None:
    """The next look at a debt that is still open."""
    session.execute(update(jobs).where(jobs.c.id == debt.job_id, _OPEN).values(debt_next_probe_at=at))


def too_old(session: Session, *, now: datetime, limit: int) -> list[tuple[int, int]]:
    """(chat row id, job id) of open debts that nobody looks for any longer, by chat."""
    query = (
        select(jobs.c.chat_id, jobs.c.id)
        .where(_too_old(now))
        .order_by(jobs.c.chat_id, jobs.c.id)
        .limit(limit)
    )
    return [(row.chat_id, row.id) for row in session.execute(query)]


def look_now(session: Session, job_ids: Collection[int] | None = None, *, now: datetime) -> int:
    """Plans a look for now at these open debts; None: at all. Returns how many."""
    wanted = [_OPEN] if job_ids is None else [_OPEN, jobs.c.id.in_(job_ids)]
    ids = session.execute(select(jobs.c.id).where(*wanted).order_by(jobs.c.id).with_for_update()).scalars()
    found = list(ids)
    session.execute(update(jobs).where(jobs.c.id.in_(found)).values(debt_next_probe_at=now))
    return len(found)


def _lookable(now: datetime) -> Select[Any]:
    """Due for a look, on a device through which WhatsApp is reached: an absent one costs no look."""
    free = and_(
        devices.c.status == "operative",
        or_(devices.c.product.is_(None), devices.c.product == "io"),
        devices.c.session_status == "online",
        devices.c.blocked_reason.is_(None),
        or_(devices.c.paused_until.is_(None), devices.c.paused_until <= now),
        or_(devices.c.breaker_until.is_(None), devices.c.breaker_until <= now),
    )
    return (
        select(jobs.c.id)
        .join(devices, devices.c.id == jobs.c.device_id)
        .join(chats, chats.c.id == jobs.c.chat_id)
        .where(
            _OPEN,
            jobs.c.debt_next_probe_at <= now,
            chats.c.wid.is_not(None),
            free,
        )
    )


def _too_old(now: datetime) -> ColumnElement[bool]:
    return and_(_OPEN, jobs.c.debt_opened_at <= now - ABANDONED_AFTER)
