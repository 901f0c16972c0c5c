"""When one walk through a device's listing may make its next request.

It keeps the walk's lease, waits out short pauses, takes a token of the device's budget, and leaves half of that budget
to the device's jobs: while some are due, two requests of a sync are at least 2 · 60 / REQUESTS_PER_MINUTE seconds apart,
so that in any span a sync makes at most half of the permitted requests and one.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from chat_hygiene.pipeline.calls import admitted
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.providers.base import Reader
from chat_hygiene.settings import Settings
from chat_hygiene.store import devices, sweeps
from chat_hygiene.store.devices import Device
from chat_hygiene.store.engine import reading

WAITS = timedelta(seconds=60)
"""The longest pause that a walk sits out."""
FAIR_AT_MOST = timedelta(seconds=40)
"""The longest wait for jobs between two requests. A slice goes on with a sweep only by three requests, and no task may
run for 280 s: at one or two requests a minute, syncs take more than their half for as long as they last.
"""
LOOK = 0.5
"""Seconds between two looks at `stop`: a flag that another thread sets wakes no loop."""


def not_before(
    session: Session, settings: Settings, device_id: int, *, last: datetime, now: datetime
) -> datetime | None:
    """When work that leaves the device's jobs their half, and asked at `last`, may ask again; None: now."""
    fair = last + min(FAIR_AT_MOST, 2 * timedelta(minutes=1) / settings.requests_per_minute)
    return fair if fair > now and sweeps.jobs_wait(session, device_id, now=now) else None


class TimeIsUpError(Exception):
    """The walk's time is over; what is left is another walk's."""


class StoppedError(TimeIsUpError):
    """The walk is told to stop."""


class LostError(Exception):
    """Another process has the device by now."""


class PausedError(Exception):
    """The device may not be called for longer than a walk waits."""

    def __init__(self, until: datetime) -> None:
        super().__init__(
            f"it is left alone until {until:%H:%M:%S} UTC: the API asked for a pause, or kept failing; sync again then"
        )


class Turns:
    """The requests of one walk, which holds the lease `owner` on a device. `until` is None for a walk to the end."""

    def __init__(
        self,
        context: Context,
        reader: Reader,
        pacer: Pacer,
        device_id: int,
        owner: str,
        *,
        until: datetime | None = None,
        stop: Callable[[], bool],
    ) -> None:
        self._context, self._reader, self._pacer, self._device_id = context, reader, pacer, device_id
        self._until, self._stop = until, stop
        self.owner = owner
        # As if a request had just been made: the walk before this one may have made it.
        self._last = self._began = context.clock()
        self._held_until = self._began

    @property
    def lease_until(self) -> datetime:
        """Until when the lease is to be held, as of now."""
        self._held_until = self._context.clock() + self._context.settings.lease_seconds
        return self._held_until

    @property
    def half_over(self) -> bool:
        """Whether half of the walk's time is used up."""
        return (
            self._until is not None and 2 * (self._context.clock() - self._began) > self._until - self._began
        )

    async def next(self, *, overtime: bool = False) -> datetime:
        """Waits for the next request's turn; returns the moment it may go out. With `overtime`, beyond the walk's end.

        Raises TimeIsUpError, LostError and PausedError.
        """
        self._check(overtime=overtime)
        while True:
            device, fair = await asyncio.to_thread(self._look)
            if (at := self._pause(device) or fair) is not None:
                await self.rest(at, overtime=overtime)
            elif device.breaker_until is None or await admitted(
                self._context, self._reader, self._device_id, pacer=self._pacer
            ):
                break
        await self._pacer.call(self._device_id)
        if self._lease_is_old:
            await asyncio.to_thread(self._keep_lease)
        self._last = self._context.clock()
        return self._last

    async def at_once(self, *, overtime: bool = False) -> datetime | None:
        """The same for a request that can go out right now; None for any other: `next` says why, or waits."""
        if self._stop() or self._is_over(overtime=overtime) or self._lease_is_old:
            return None
        return await asyncio.to_thread(self._take)

    async def rest(self, until: datetime, *, overtime: bool = False) -> None:
        """Waits until then. Raises TimeIsUpError when the walk ends before, StoppedError when it is told to."""
        if not overtime and self._until is not None and until >= self._until:
            raise TimeIsUpError
        while (left := (until - self._context.clock()).total_seconds()) > 0:
            self._check(overtime=overtime)
            await asyncio.sleep(min(left, LOOK))

    def _check(self, *, overtime: bool) -> None:
        if self._stop():
            raise StoppedError
        if self._is_over(overtime=overtime):
            raise TimeIsUpError

    def _is_over(self, *, overtime: bool) -> bool:
        return not overtime and self._until is not None and self._context.clock() >= self._until

    def _take(self) -> datetime | None:
        device, fair = self._look()
        waits = fair is not None or device.waits_until(self._context.clock()) is not None
        # One whose breaker is to be probed waits for that.
        if waits or device.breaker_until is not None or not self._pacer.take(self._device_id):
            return None
        self._last = self._context.clock()
        return self._last

    def _look(self) -> tuple[Device, datetime | None]:
        """The device, and the moment before which a request now would not leave its jobs their half."""
        now, settings = self._context.clock(), self._context.settings
        with reading(self._context.sessions) as session:
            (device,) = devices.load(session, [self._device_id])
            return device, not_before(session, settings, self._device_id, last=self._last, now=now)

    def _pause(self, device: Device) -> datetime | None:
        """The end of the device's pause, if that is to be sat out."""
        now = self._context.clock()
        if (paused := device.waits_until(now)) is not None and (
            paused - now > WAITS or (self._until is not None and paused >= self._until)
        ):
            raise PausedError(paused)
        return paused

    @property
    def _lease_is_old(self) -> bool:
        # Half of a lease is longer than a read: only a walk that waited long asks again before it reads.
        return self._held_until - self._context.clock() <= self._context.settings.lease_seconds / 2

    def _keep_lease(self) -> None:
        with self._context.sessions.begin() as session:
            held = sweeps.renew(session, self._device_id, self.owner, until=self.lease_until)
        if not held:
            raise LostError
