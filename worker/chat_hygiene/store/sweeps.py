"""Reading a device's listing: when it is due, which walker has it, how far it got, and when the last one was complete.

One walker at a time: the lease stands in the device's row, every write of a walker names it, and one that lost it
writes nothing more. An instant of the future was written by a clock that ran ahead, and counts as none.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_, select, true, update
from sqlalchemy.orm import Session

from chat_hygiene.core.states import JobState
from chat_hygiene.settings import MAX_CLOCK_SKEW, Settings
from chat_hygiene.store import hints
from chat_hygiene.store.tables import chats, devices, jobs
from chat_hygiene.store.types import Instant

REST = timedelta(minutes=1)
"""After a failed sync of a device, before the next; a blocked one rests for a whole interval."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a device lacks: every page, what changed since the last sync, chats that a webhook named."""

    complete: bool
    partial: bool
    hinted: bool


def due(session: Session, settings: Settings, *, now: datetime) -> list[int]:
    """Row ids of the devices that can be read now, by nobody else yet, and lack something."""
    return list(
        session.execute(
            select(devices.c.id).where(is_due(settings, now=now)).order_by(devices.c.id)
        ).scalars()
    )


def is_due(settings: Settings, *, now: datetime) -> ColumnElement[bool]:
    """Of `devices`: see `due`."""
    interval, failed = settings.sync_interval_seconds, devices.c.sync_failed_at
    unblocked = devices.c.blocked_reason.is_(None)
    return and_(
        devices.c.status == "operative",
        or_(devices.c.product.is_(None), devices.c.product == "io"),
        _over(devices.c.paused_until, now),
        _over(devices.c.breaker_until, now),
        _over(devices.c.sync_until, now),
        or_(_older(failed, now - interval, now), and_(unblocked, failed <= now - min(REST, interval))),
        or_(_lacks_complete(settings, now), _lacks_partial(settings, now), _hinted()),
    )


def needs(session: Session, settings: Settings, device_id: int, *, now: datetime) -> Needs:
    """What this device lacks now."""
    row = session.execute(
        select(_lacks_complete(settings, now), _lacks_partial(settings, now), _hinted()).where(
            devices.c.id == device_id
        )
    ).one()
    return Needs(*map(bool, row))


def want(session: Session, device_ids: Collection[int], *, at: datetime) -> None:
    """Asks for a complete sync that began at or after `at`; a later wish stands."""
    # Locked in order of their ids: several may ask for the same devices at once.
    mine = devices.c.id.in_(device_ids)
    session.execute(
        select(devices.c.id).where(mine).order_by(devices.c.id).with_for_update(key_share=True)
    ).all()
    session.execute(
        update(devices).where(mine).values(sync_wanted_at=_later(devices.c.sync_wanted_at, at, at))
    )


def lease(
    session: Session,
    device_id: int,
    owner: str,
    *,
    now: datetime,
    until: datetime,
    when: ColumnElement[bool] | None = None,
) -> bool:
    """Takes the device for one walker, if it is free (and `when` holds). `owner` names the walk, not the process."""
    free = and_(devices.c.id == device_id, _over(devices.c.sync_until, now), true() if when is None else when)
    return _changed(session, free, sync_owner=owner, sync_until=until)


def renew(session: Session, device_id: int, owner: str, *, until: datetime, page: int | None = None) -> bool:
    """Keeps the lease, and notes the sweep's next page. False: another walker has the device; nothing was changed."""
    progress = {} if page is None else {"sweep_page": page}
    return _changed(session, _held(device_id, owner), sync_until=until, **progress)


def release(session: Session, device_id: int, owner: str) -> None:
    """Ends the lease, if it is still this walker's."""
    _changed(session, _held(device_id, owner), sync_owner=None, sync_until=None)


def release_all(session: Session) -> None:
    """Ends every lease: no other process lives."""
    session.execute(
        update(devices).where(devices.c.sync_owner.is_not(None)).values(sync_owner=None, sync_until=None)
    )


def open_sweep(session: Session, device_id: int, *, now: datetime, resume_since: datetime) -> tuple[int, int]:
    """Begins a complete sweep, or goes on with one begun at or after `resume_since`; returns its number and next page."""
    # NULL where none is open: then a new one begins at page 0.
    began = devices.c.sweep_started_at
    resumes = and_(devices.c.sweep_page.is_not(None), began >= resume_since, ~_ahead(began, now))
    row = session.execute(
        update(devices)
        .where(devices.c.id == device_id)
        .values(
            # An aborted sweep's number is used again: numbers count complete sweeps, and missing is judged by them.
            sweep=case((devices.c.sweep_page.is_not(None), devices.c.sweep), else_=devices.c.sweep + 1),
            sweep_started_at=case((resumes, devices.c.sweep_started_at), else_=literal(now, Instant())),
            sweep_page=case((resumes, devices.c.sweep_page), else_=0),
        )
        .returning(devices.c.sweep, devices.c.sweep_page)
    ).one()
    return row.sweep, row.sweep_page


def close_sweep(session: Session, device_id: int, owner: str, *, now: datetime) -> bool:
    """Marks the sweep as complete, as of the moment it began. False: another walker has the device."""
    return _changed(
        session,
        _held(device_id, owner),
        sweep_page=None,
        last_full_sync_at=devices.c.sweep_started_at,
        last_sync_at=_later(devices.c.last_sync_at, devices.c.sweep_started_at, now),
        sync_failed_at=None,
    )


def partly_synced(session: Session, device_id: int, owner: str, *, at: datetime) -> bool:
    """An incremental sync that began at `at` reached its watermark. False: another walker has the device."""
    return _changed(
        session,
        _held(device_id, owner),
        last_sync_at=_later(devices.c.last_sync_at, at, at),
        sync_failed_at=None,
    )


def failed(session: Session, device_id: int, *, at: datetime) -> None:
    """A sync of the device failed; the next good one clears it."""
    session.execute(update(devices).where(devices.c.id == device_id).values(sync_failed_at=at))


def jobs_wait(session: Session, device_id: int, *, now: datetime) -> bool:
    """Whether the device has jobs that are due: then a sync leaves them half of its requests."""
    waiting = exists().where(
        jobs.c.device_id == device_id,
        jobs.c.state == JobState.QUEUED.value,
        jobs.c.next_attempt_at <= now,
    )
    return bool(session.execute(select(waiting)).scalar_one())


def _lacks_complete(settings: Settings, now: datetime) -> ColumnElement[bool]:
    last = devices.c.last_full_sync_at
    return or_(
        _older(last, now - settings.full_sync_interval_seconds, now),
        _asked_since(devices.c.sync_wanted_at, last, now),
    )


def _lacks_partial(settings: Settings, now: datetime) -> ColumnElement[bool]:
    last = devices.c.last_sync_at
    return or_(
        _older(last, now - settings.sync_interval_seconds, now),
        _asked_since(devices.c.hinted_at, last, now),
    )


def _hinted() -> ColumnElement[bool]:
    return exists(select(chats.c.id).where(chats.c.device_id == devices.c.id, hints.WAITING))


def _over(column: ColumnElement[datetime | None], at: datetime) -> ColumnElement[bool]:
    return or_(column.is_(None), column <= at)


def _older(column: ColumnElement[datetime | None], than: datetime, now: datetime) -> ColumnElement[bool]:
    return or_(_over(column, than), _ahead(column, now))


def _ahead(column: ColumnElement[datetime | None], now: datetime) -> ColumnElement[bool]:
    return func.coalesce(column > now + MAX_CLOCK_SKEW, False)


def _asked_since(
    asked: ColumnElement[datetime | None], last: ColumnElement[datetime | None], now: datetime
) -> ColumnElement[bool]:
    return and_(func.coalesce(last < asked, False), ~_ahead(asked, now))


def _later(
    known: ColumnElement[datetime | None], at: object, now: datetime
) -> ColumnElement[datetime | None]:
    new = literal(at, Instant()) if isinstance(at, datetime) else at
    return case((and_(known > new, ~_ahead(known, now)), known), else_=new)


def _held(device_id: int, owner: str) -> ColumnElement[bool]:
    return and_(devices.c.id == device_id, devices.c.sync_owner == owner)


def _changed(session: Session, where: ColumnElement[bool], **values: object) -> bool:
    row = session.execute(update(devices).where(where).values(values).returning(devices.c.id))
    return row.scalar_one_or_none() is not None
