"""The numbers ("devices"): what the provider says of them, their sweeps, and what stands in a device's way.

A device's pause, block and breaker stand in its row, so that every process obeys them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.core.facts import DeviceFacts
from chat_hygiene.store import audit
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.tables import devices
from chat_hygiene.store.types import Instant

BREAKER_LIMIT = 5
BREAKER_BASE = timedelta(seconds=30)
BREAKER_CAP = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Device:
    """One row, as the pipeline needs it."""

    id: int
    device: str
    alias: str | None
    status: str | None
    session_status: str | None
    product: str | None
    last_online_at: datetime | None
    sweep: int
    sweep_started_at: datetime | None
    sweep_page: int | None
    last_full_sync_at: datetime | None
    last_sync_at: datetime | None
    paused_until: datetime | None
    blocked_reason: str | None
    breaker_until: datetime | None

    @property
    def usable(self) -> bool:
        """Operative, and not known to lack the Platform plan that the chat routes need."""
        return self.status == "operative" and self.product in {None, "io"}

    @property
    def online(self) -> bool:
        """Whether WhatsApp itself could be reached through it when it was last read."""
        return self.usable and self.session_status == "online"

    @property
    def fresh_as_of(self) -> datetime | None:
        """The older of its last good complete sync and the last time its session was online (law 1)."""
        if self.last_full_sync_at is None or self.last_online_at is None:
            return None
        return min(self.last_full_sync_at, self.last_online_at)

    def waits_until(self, now: datetime) -> datetime | None:
        """When the provider may be called again, if not now."""
        ends = [end for end in (self.paused_until, self.breaker_until) if end is not None and end > now]
        return max(ends, default=None)


_COLUMNS = [devices.c[name] for name in Device.__slots__]


def load(session: Session, ids: Collection[int] | None = None) -> list[Device]:
    """All devices, or those with these row ids, by row id."""
    query = select(*_COLUMNS).order_by(devices.c.id)
    if ids is not None:
        query = query.where(devices.c.id.in_(ids))
    return [Device(*row) for row in session.execute(query)]


def names(session: Session) -> dict[str, int]:
    """Ids and aliases to row ids; an id wins over an alias, and an alias that two devices share names neither."""
    rows = session.execute(select(devices.c.id, devices.c.device, devices.c.alias)).all()
    aliases: dict[str, list[int]] = {}
    for row in rows:
        if row.alias:
            aliases.setdefault(row.alias, []).append(row.id)
    found = {alias: ids[0] for alias, ids in aliases.items() if len(ids) == 1}
    return found | {row.device: row.id for row in rows}


def fresh_ids(session: Session, *, now: datetime, freshness: timedelta) -> set[int]:
    """Row ids of the devices whose data is fresh enough to delete by."""
    return {
        device.id
        for device in load(session)
        if device.usable and device.fresh_as_of is not None and now - device.fresh_as_of <= freshness
    }


def record(session: Session, provider: str, found: Sequence[DeviceFacts], *, now: datetime) -> list[int]:
    """Stores what the provider says of its devices; returns their row ids in the same order."""
    known = dict(
        session.execute(select(devices.c.device, devices.c.id).where(devices.c.provider == provider)).all()
    )
    for facts in found:
        values = {
            # A person named it: it may hold a number, and views show it.
            "alias": None if facts.alias is None else mask_numbers(facts.alias),
            "status": facts.status,
            "session_status": facts.session_status,
            "product": facts.product,
            "retention_policy": facts.retention_policy,
            "last_seen_at": now,
        }
        if facts.online:
            values["last_online_at"] = now
        if facts.device in known:
            session.execute(update(devices).where(devices.c.id == known[facts.device]).values(values))
        else:
            row = session.execute(
                insert(devices)
                .values(provider=provider, device=facts.device, **values)
                .returning(devices.c.id)
            )
            known[facts.device] = row.scalar_one()
    return [known[facts.device] for facts in found]


def forget_missing(session: Session, provider: str, seen: Sequence[int]) -> None:
    """A device that the account no longer lists is neither operative nor online."""
    session.execute(
        update(devices)
        .where(devices.c.provider == provider, devices.c.id.not_in(seen))
        .values(status="removed", session_status=None)
    )


def pause(session: Session, device_id: int, until: datetime) -> None:
    """No call to this device before `until`, for every process; a later pause wins."""
    session.execute(
        update(devices)
        .where(
            devices.c.id == device_id, or_(devices.c.paused_until.is_(None), devices.c.paused_until < until)
        )
        .values(paused_until=until)
    )


def block(session: Session, device_id: int, reason: str, *, now: datetime, actor: str) -> None:
    """Stops a device's queue until a good read; `reason` is of the closed set key, plan, gone."""
    changed = session.execute(
        update(devices)
        .where(devices.c.id == device_id, devices.c.blocked_reason.is_distinct_from(reason))
        .values(blocked_reason=reason)
        .returning(devices.c.device)
    ).scalar_one_or_none()
    if changed is not None:
        audit.append(
            session, Event.DEVICE_BLOCKED, at=now, actor=actor, device=changed, detail={"reason": reason}
        )


def good_call(session: Session, device_id: int, *, now: datetime, actor: str) -> None:
    """A good answer closes the breaker and lifts a block. Writes nothing when neither stands."""
    stands = or_(devices.c.breaker_failures > 0, devices.c.blocked_reason.is_not(None))
    before = session.execute(
        select(devices.c.device, devices.c.blocked_reason).where(devices.c.id == device_id, stands)
    ).one_or_none()
    if before is None:
        return
    session.execute(
        update(devices)
        .where(devices.c.id == device_id)
        .values(breaker_failures=0, breaker_until=None, blocked_reason=None)
    )
    if before.blocked_reason is not None:
        audit.append(session, Event.DEVICE_UNBLOCKED, at=now, actor=actor, device=before.device)


def bad_call(session: Session, device_id: int, *, now: datetime) -> None:
    """A transport failure or 5xx; the fifth in a row opens the breaker, each further one for twice as long."""
    failures = session.execute(
        update(devices)
        .where(devices.c.id == device_id)
        .values(breaker_failures=devices.c.breaker_failures + 1)
        .returning(devices.c.breaker_failures)
    ).scalar_one()
    if failures >= BREAKER_LIMIT:
        wait = min(BREAKER_CAP, BREAKER_BASE * 2 ** min(failures - BREAKER_LIMIT, 10))
        session.execute(update(devices).where(devices.c.id == device_id).values(breaker_until=now + wait))


def open_sweep(session: Session, device_id: int, *, now: datetime, resume_since: datetime) -> tuple[int, int]:
    """Begins a full sweep, or goes on with one begun after `resume_since`; returns its number and next page.

    A resumed sweep reads one page again: chats move while nobody reads.
    """
    # NULL where none is open: then a new one begins at page 0.
    resumes = and_(devices.c.sweep_page.is_not(None), devices.c.sweep_started_at >= resume_since)
    row = session.execute(
        update(devices)
        .where(devices.c.id == device_id)
        .values(
            # An aborted sweep's number is used again: numbers count complete sweeps, and missing is judged by them.
            sweep=case((devices.c.sweep_page.is_not(None), devices.c.sweep), else_=devices.c.sweep + 1),
            sweep_started_at=case((resumes, devices.c.sweep_started_at), else_=literal(now, Instant())),
            sweep_page=case((and_(resumes, devices.c.sweep_page > 0), devices.c.sweep_page - 1), else_=0),
        )
        .returning(devices.c.sweep, devices.c.sweep_page)
    ).one()
    return row.sweep, row.sweep_page


def sweep_reached(session: Session, device_id: int, sweep: int, page: int) -> bool:
    """Notes the next page to read; False when another process began a newer sweep meanwhile."""
    row = session.execute(
        update(devices)
        .where(devices.c.id == device_id, devices.c.sweep == sweep)
        .values(sweep_page=page)
        .returning(devices.c.id)
    )
    return row.scalar_one_or_none() is not None


def close_sweep(session: Session, device_id: int, sweep: int) -> bool:
    """Marks the sweep as complete, as of the moment it began. False when another process began a newer one."""
    row = session.execute(
        update(devices)
        .where(devices.c.id == device_id, devices.c.sweep == sweep, devices.c.sweep_page.is_not(None))
        .values(
            sweep_page=None,
            last_full_sync_at=devices.c.sweep_started_at,
            last_sync_at=devices.c.sweep_started_at,
        )
        .returning(devices.c.id)
    )
    return row.scalar_one_or_none() is not None


def partly_synced(session: Session, device_id: int, *, at: datetime) -> None:
    """An incremental sync that began at `at` reached its watermark."""
    began = literal(at, Instant())
    newest = func.coalesce(devices.c.last_sync_at, began)
    session.execute(
        update(devices)
        .where(devices.c.id == device_id)
        .values(last_sync_at=case((newest > began, newest), else_=began))
    )
