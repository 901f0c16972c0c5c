"""Sync: the provider's devices and chats into SQL, page by page, in flat memory.

A full sweep reads every page and stops on a short one; only then are chats judged missing. An incremental sync goes
down the activity order until it is past the last sync. A bad page ends the device's sync and marks nothing: what was
stored stays, the sweep resumes at its page next time.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chat_hygiene.core.errors import ProviderError, RateLimitedError, UnavailableError, UnknownOutcomeError
from chat_hygiene.core.events import Event
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.pipeline.calls import note_fault
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.providers.base import Page, Reader
from chat_hygiene.store import audit, breakers, chats, devices, sweeps
from chat_hygiene.store.chats import Account
from chat_hygiene.store.devices import Device
from chat_hygiene.store.engine import reading

# Activity order and our last read disagree by the provider's delay in showing a message.
OVERLAP = timedelta(minutes=10)
TRIES = 3
"""Of one page."""
WAITS = timedelta(seconds=60)
"""The longest pause that a sync sits out."""

Progress = Callable[[str, int], None]
"""Called with the device's id and the chats read so far."""


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What a sync did on one device. `problem` says in a sentence why it is not complete."""

    device: str
    alias: str | None
    full: bool
    seen: int = 0
    new: int = 0
    changed: int = 0
    missing: int = 0
    problem: str | None = None
    unusable: bool = False
    """The device cannot be worked at all (status, plan): said, and no fault of the sync."""


@dataclass(frozen=True, slots=True)
class Report:
    """One entry per device of the account."""

    devices: tuple[DeviceReport, ...]

    @property
    def complete(self) -> bool:
        """Whether every device that can be worked was read."""
        return all(each.problem is None or each.unusable for each in self.devices)


async def run(
    context: Context,
    reader: Reader,
    *,
    full: bool,
    pacer: Pacer,
    now: datetime,
    progress: Progress | None = None,
) -> Report:
    """Syncs all devices. Raises ProviderError when the account's devices cannot be listed: then nothing was stored."""
    found = await reader.devices()
    with context.sessions.begin() as session:
        ids = devices.record(session, reader.name, found, now=now)
        devices.forget_missing(session, reader.name, ids)
        rows = devices.load(session, ids)
    reports = [
        await _device(context, reader, row, full=full, pacer=pacer, now=now, progress=progress)
        for row in rows
    ]
    return Report(tuple(reports))


def unusable(device: Device) -> str | None:
    """Why a device's chats cannot be read at all."""
    if device.status != "operative":
        return f"its status is {device.status or 'unknown'}, not operative"
    if not device.usable:
        return f"its plan ({device.product}) has no chat access: it needs the Platform plan"
    return None


async def _device(
    context: Context,
    reader: Reader,
    device: Device,
    *,
    full: bool,
    pacer: Pacer,
    now: datetime,
    progress: Progress | None,
) -> DeviceReport:
    settings = context.settings
    last = device.last_full_sync_at
    full = full or last is None or now - last >= settings.full_sync_interval_seconds
    if problem := unusable(device):
        return DeviceReport(device.device, device.alias, full, problem=problem, unusable=True)
    work = _Sweep(context, reader, device, pacer, now, progress)
    problem = None
    try:
        await (work.full() if full else work.incremental())
    except ProviderError as error:
        problem = str(error)
        _note_failure(context, device, error, now=context.clock())
    return DeviceReport(
        device.device, device.alias, full, work.seen, work.new, work.changed, work.missing, problem
    )


def _note_failure(context: Context, device: Device, error: ProviderError, *, now: datetime) -> None:
    note_fault(context, device.id, error)
    with context.sessions.begin() as session:
        detail = {"error": type(error).__name__, "status": error.status}
        audit.append(
            session, Event.SYNC_FAILED, at=now, actor=context.actor, device=device.device, detail=detail
        )


class _Sweep:
    """One device's walk through the listing, with its counts."""

    def __init__(
        self,
        context: Context,
        reader: Reader,
        device: Device,
        pacer: Pacer,
        now: datetime,
        progress: Progress | None,
    ) -> None:
        self._context, self._reader, self._device = context, reader, device
        self._pacer, self._now, self._progress = pacer, now, progress
        self._account = Account(reader.name, device.device, device.id)
        self.seen = self.new = self.changed = self.missing = 0
        self._newest: datetime | None = None

    async def full(self) -> None:
        """Every page; then what two sweeps did not show is missing."""
        since = self._now - self._context.settings.sync_interval_seconds
        with self._context.sessions.begin() as session:
            number, page = sweeps.open_sweep(session, self._device.id, now=self._now, resume_since=since)
        size = self._context.settings.page_size
        while True:
            listed = await self._page(page, number)
            page += 1
            with self._context.sessions.begin() as session:
                if not sweeps.sweep_reached(session, self._device.id, number, page):
                    return
            if listed < size:
                break
        with self._context.sessions.begin() as session:
            if not sweeps.close_sweep(session, self._device.id, number):
                return
            now, actor = self._context.clock(), self._context.actor
            self.missing = chats.mark_missing(session, self._account, number, now=now, actor=actor)
            counts = {"seen": self.seen, "new": self.new, "changed": self.changed, "missing": self.missing}
            audit.append(
                session, Event.SYNC_COMPLETED, at=now, actor=actor, device=self._device.device, detail=counts
            )

    async def incremental(self) -> None:
        """Down the activity order until a page is wholly older than the last sync."""
        last, page, size = self._device.last_sync_at, 0, self._context.settings.page_size
        assert last is not None  # noqa: S101 - a device without one is swept in full
        while await self._page(page, self._device.sweep) == size:
            if self._newest is not None and self._newest < last - OVERLAP:
                break
            page += 1
        with self._context.sessions.begin() as session:
            sweeps.partly_synced(session, self._device.id, at=self._now)

    async def _page(self, page: int, sweep: int) -> int:
        read_at, answer = await self._listed(page)
        stored = await asyncio.to_thread(self._store, answer.chats, read_at, sweep)
        self.seen += stored.seen
        self.new += stored.new
        self.changed += stored.changed
        self._newest = _newest_message(answer.chats)
        if self._progress:
            self._progress(self._device.device, self.seen)
        return answer.size

    async def _listed(self, page: int) -> tuple[datetime, Page]:
        """One page, and when it was asked for. A passing fault is waited out a few times; a bad page is not."""
        size = self._context.settings.page_size
        for left in reversed(range(TRIES)):
            await self._wait_for_device()
            await self._pacer.call(self._device.id)
            read_at = self._context.clock()
            try:
                return read_at, await self._reader.chats(self._device.device, page=page, size=size)
            except (RateLimitedError, UnavailableError, UnknownOutcomeError) as error:
                if not left:
                    raise
                fault = await asyncio.to_thread(note_fault, self._context, self._device.id, error)
                await self._sleep_until(fault.until)
        raise AssertionError  # the last try returned or raised

    async def _wait_for_device(self) -> None:
        with reading(self._context.sessions) as session:
            (device,) = devices.load(session, [self._device.id])
        if (until := device.waits_until(self._context.clock())) is not None:
            await self._sleep_until(until)

    async def _sleep_until(self, until: datetime) -> None:
        wait = until - self._context.clock()
        if wait > WAITS:
            raise UnavailableError(f"the API asked for a pause until {until:%H:%M:%S} UTC; sync again then")
        await asyncio.sleep(max(0.0, wait.total_seconds()))

    def _store(self, page: Sequence[ChatFacts], read_at: datetime, sweep: int) -> chats.Stored:
        with self._context.sessions.begin() as session:
            stored = chats.store_page(
                session,
                self._account,
                page,
                pseudonyms=self._context.keys.pseudonyms,
                read_at=read_at,
                sweep=sweep,
                actor=self._context.actor,
            )
            breakers.good_call(session, self._device.id, now=read_at, actor=self._context.actor)
        return stored


def _newest_message(page: Sequence[ChatFacts]) -> datetime | None:
    """The newest message on a page; None on an empty one or when one chat does not say: then the walk goes on."""
    instants = [facts.last_message_at for facts in page]
    return max((at for at in instants if at is not None), default=None) if None not in instants else None
