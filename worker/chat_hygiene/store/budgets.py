"""The request budget of a device: a token bucket in its row, shared by every process.

It fills by `per_minute` tokens a minute up to a burst of ten seconds' worth (three, enough for one job, at least), and
a device that was never asked starts full. Time is the database's, so that machines with different clocks share one
bucket. Over any span of W seconds the grants stay within burst + per_minute / 60 · W.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
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


# The clock is read outside of the locking select, so after a wait for the lock. The key is not locked:
# an evaluation that inserts jobs of this device stands in nobody's way.
_LOCKED = select(
    select(devices.c.id, devices.c.tokens, devices.c.tokens_at)
    .where(devices.c.id.in_(bindparam("devices", expanding=True)))
    .order_by(devices.c.id)
    .with_for_update(key_share=True)
    .cte("locked"),
    _DatabaseNow().label("now"),
)
_SET = update(devices).where(devices.c.id == bindparam("row"))
_BUCKETS = select(devices.c.id, devices.c.tokens, devices.c.tokens_at, _DatabaseNow().label("now"))
_SOME_BUCKETS = _BUCKETS.where(devices.c.id.in_(bindparam("devices", expanding=True)))


def take(session: Session, device_id: int, wanted: int, *, per_minute: int, lot: int = 1) -> int:
    """Takes up to `wanted` tokens, in whole lots of so many; returns how many it got, 0 when the bucket has no lot."""
    return take_all(session, {device_id: wanted}, per_minute=per_minute, lot=lot)[device_id]


def take_all(session: Session, wanted: Mapping[int, int], *, per_minute: int, lot: int = 1) -> dict[int, int]:
    """The same from several devices' buckets, by row id."""
    found, changed = {}, []
    for device_id, tokens, tokens_at, now in session.execute(_LOCKED, {"devices": list(wanted)}):
        seconds = _seconds(tokens_at, now)
        found[device_id], left = grant(tokens, seconds, wanted[device_id], per_minute, lot)
        # A clock that was set back starts the bucket's time anew; else it would stay empty until the old time comes again.
        if found[device_id] or (seconds is not None and seconds < 0):
            changed.append({"row": device_id, "tokens": left, "tokens_at": now})
    if changed:
        session.execute(_SET, changed)
    return found


def give_back(session: Session, device_id: int, tokens: int) -> None:
    """Returns tokens that were not used; what the bucket cannot hold is lost at the next refill."""
    if not tokens:
        return
    session.execute(update(devices).where(devices.c.id == device_id).values(tokens=devices.c.tokens + tokens))


def available(
    session: Session, device_ids: Collection[int] | None = None, *, per_minute: int
) -> dict[int, float]:
    """The tokens in each of these devices' buckets, or in all of them, by row id."""
    found = (
        session.execute(_BUCKETS)
        if device_ids is None
        else session.execute(_SOME_BUCKETS, {"devices": list(device_ids)})
    )
    return {row.id: refilled(row.tokens, _seconds(row.tokens_at, row.now), per_minute) for row in found}


def wait(tokens: float, wanted: int, *, per_minute: int) -> float:
    """Seconds until a bucket that holds `tokens` holds `wanted`, or is full; 0.0 when it does already."""
    return max(0.0, (min(wanted, burst(per_minute)) - tokens) * 60 / per_minute)


def burst(per_minute: int) -> float:
    """The size of the bucket, in tokens."""
    return max(_SMALLEST_BURST, per_minute * _BURST_MINUTES)


def refilled(tokens: float, seconds: float | None, per_minute: int) -> float:
    """What a bucket that held `tokens` holds `seconds` later; None: it was never used and is full."""
    if seconds is None:
        return burst(per_minute)
    return min(burst(per_minute), tokens + max(0.0, seconds) * per_minute / 60)


def grant(
    tokens: float, seconds: float | None, wanted: int, per_minute: int, lot: int = 1
) -> tuple[int, float]:
    """The tokens granted, whole lots, and what is left in the bucket."""
    available = refilled(tokens, seconds, per_minute)
    granted = max(0, min(wanted, int(available)) // lot * lot)
    return granted, available - granted


def _seconds(tokens_at: datetime | None, now: datetime) -> float | None:
    return None if tokens_at is None else (now - tokens_at).total_seconds()
