"""How far a device's listing was read: sweeps that go on where they were interrupted, and when the last one was complete."""

from datetime import datetime

from sqlalchemy import and_, case, func, literal, update
from sqlalchemy.orm import Session

from chat_hygiene.store.tables import devices
from chat_hygiene.store.types import Instant


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
