"""The request budget of a device: a token bucket in its row, shared by every process.

It fills by `per_minute` tokens a minute up to a burst of ten seconds' worth (three, enough for one job, at least), and
a device that was never asked starts full. Time is the database's, so that machines with different clocks share one
bucket. Over any span of W seconds the grants stay within burst + per_minute / 60 · W.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from chat_hygiene.store.tables import devices
from chat_hygiene.store.types import Instant

_SMALLEST_BURST = 3.0
_BURST_MINUTES = 1 / 6


class _DatabaseNow(FunctionElement[datetime]):
    """The database's own clock, read when the row is."""

    type = Instant()
    inherit_cache = True


@compiles(_DatabaseNow, "postgresql")
def _postgresql_now(_element: _DatabaseNow, _compiler: SQLCompiler, **_: Any) -> str:  # noqa: ANN401 - the compiler's
    return "clock_timestamp()"


@compiles(_DatabaseNow, "sqlite")
def _sqlite_now(_element: _DatabaseNow, _compiler: SQLCompiler, **_: Any) -> str:  # noqa: ANN401 - the compiler's
    return "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"


_BUCKET = select(devices.c.tokens, devices.c.tokens_at, _DatabaseNow().label("now"))


def take(session: Session, device_id: int, wanted: int, *, per_minute: int) -> int:
    """Takes up to `wanted` tokens; returns how many it got, 0 when the bucket is empty."""
    tokens, tokens_at, now = session.execute(_BUCKET.where(devices.c.id == device_id).with_for_update()).one()
    granted, left = grant(tokens, _seconds(tokens_at, now), wanted, per_minute)
    if granted:
        session.execute(update(devices).where(devices.c.id == device_id).values(tokens=left, tokens_at=now))
    return granted


def wait_for(session: Session, device_id: int, wanted: int, *, per_minute: int) -> float:
    """Seconds until the bucket holds `wanted` tokens, or is full; 0.0 when it does already."""
    tokens, tokens_at, now = session.execute(_BUCKET.where(devices.c.id == device_id)).one()
    available = refilled(tokens, _seconds(tokens_at, now), per_minute)
    return max(0.0, (min(wanted, burst(per_minute)) - available) * 60 / per_minute)


def burst(per_minute: int) -> float:
    """The size of the bucket, in tokens."""
    return max(_SMALLEST_BURST, per_minute * _BURST_MINUTES)


def refilled(tokens: float, seconds: float | None, per_minute: int) -> float:
    """What a bucket that held `tokens` holds `seconds` later; None: it was never used and is full."""
    if seconds is None:
        return burst(per_minute)
    return min(burst(per_minute), tokens + max(0.0, seconds) * per_minute / 60)


def grant(tokens: float, seconds: float | None, wanted: int, per_minute: int) -> tuple[int, float]:
    """The tokens granted, whole ones, and what is left in the bucket."""
    available = refilled(tokens, seconds, per_minute)
    granted = max(0, min(wanted, int(available)))
    return granted, available - granted


def _seconds(tokens_at: datetime | None, now: datetime) -> float | None:
    return None if tokens_at is None else (now - tokens_at).total_seconds()
