"""Sync: the provider's devices and chats into SQL, for all devices to the end, or for one in slices.

One walker at a time reads a device; a slice that ends early leaves a sweep where the next one goes on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex

from chat_hygiene.core.errors import BadAnswerError, ProviderError, RateLimitedError
from chat_hygiene.core.events import Event
from chat_hygiene.pipeline import coverage, recheck
from chat_hygiene.pipeline.calls import note_fault
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.pipeline.sweep import Progress, Walk
from chat_hygiene.pipeline.turns import LOOK, LostError, PausedError, StoppedError, TimeIsUpError, Turns
from chat_hygiene.providers.base import Reader
from chat_hygiene.store import audit, devices, heartbeats, sweeps
from chat_hygiene.store.devices import Device
from chat_hygiene.store.engine import reading

AT_ONCE = 8
"""Devices that `run` reads side by side."""
HINTS_A_SLICE = 10
"""Of a flood of hints, so that a slice also gets on with its sweep."""
HINTS_A_RUN = 1000


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


@dataclass(frozen=True, slots=True)
class Slice:
    """What a slice did; no report when another process walks the device or nothing of it is due.

    `more`: its time was over, or it was told to stop, before it was done.
    """

    report: DeviceReport | None
    more: bool


async def list_devices(context: Context, reader: Reader, *, now: datetime) -> list[Device]:
    """The account's numbers into `devices`. Raises ProviderError when they cannot be listed: then nothing was stored.

    An empty list is not believed while a number is expected on it: what it says may end jobs for good.
    """
    found = await reader.devices()

    def store() -> list[Device]:
        with context.sessions.begin() as session:
            devices.lock(session, reader.name)
            if not found and devices.any_expected(session, reader.name):
                raise BadAnswerError(
                    "the API lists no numbers at all, though some were in use: nothing was changed",
                    fix="check that the API token is of the right account",
                )
            ids = devices.record(session, reader.name, found, now=now)
            devices.forget_missing(session, reader.name, ids, now=now)
            heartbeats.chore_done(session, "account", now=now)
            return devices.load(session, ids)

    return await asyncio.to_thread(store)


async def run(
    context: Context,
    reader: Reader,
    *,
    full: bool,
    pacer: Pacer,
    now: datetime,
    progress: Progress | None = None,
) -> Report:
    """Syncs all devices, several at once. Raises ProviderError when the account's devices cannot be listed."""
    rows = await list_devices(context, reader, now=now)
    seats = asyncio.Semaphore(AT_ONCE)

    async def one(device: Device) -> DeviceReport:
        async with seats:
            return await _to_the_end(
                context, reader, device, full=full, pacer=pacer, now=now, progress=progress
            )

    # All are finished before a failure of ours (the database's) is raised: none is left behind half read.
    ended = await asyncio.gather(*map(one, rows), return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return Report(tuple(each for each in ended if isinstance(each, DeviceReport)))


async def slice_(
    context: Context,
    reader: Reader,
    device_id: int,
    *,
    pacer: Pacer,
    until: datetime,
    stop: Callable[[], bool],
) -> Slice:
    """Reads one device, if it is due and nobody else does, until it is done, `until`, or `stop()`."""
    now = context.clock()
    due = sweeps.is_due(context.settings, now=now)
    turns = Turns(context, reader, pacer, device_id, _walker(context), until=until, stop=stop)

    def begin() -> Device | None:
        with context.sessions.begin() as session:
            if not sweeps.lease(session, device_id, turns.owner, now=now, until=turns.lease_until, when=due):
                return None
            (device,) = devices.load(session, [device_id])
            return device

    if (device := await asyncio.to_thread(begin)) is None:
        return Slice(None, more=False)
    try:
        return await _walk(context, Walk(context, reader, device, turns, began=now), full=None)
    except LostError:
        return Slice(None, more=False)
    finally:
        await asyncio.to_thread(_release, context, device_id, turns.owner)


def unusable(device: Device) -> str | None:
    """Why a device's chats cannot be read at all."""
    if device.status != "operative":
        return f"its status is {device.status or 'unknown'}, not operative"
    if not device.usable:
        return f"its plan ({device.product}) has no chat access: it needs the Platform plan"
    return None


async def _to_the_end(
    context: Context,
    reader: Reader,
    device: Device,
    *,
    full: bool,
    pacer: Pacer,
    now: datetime,
    progress: Progress | None,
) -> DeviceReport:
    if problem := unusable(device):
        return DeviceReport(device.device, device.alias, full, problem=problem, unusable=True)

    def lease(turns: Turns) -> bool:
        at, until = context.clock(), turns.lease_until
        with context.sessions.begin() as session:
            return sweeps.lease(session, device.id, turns.owner, now=at, until=until)

    while True:
        turns = Turns(context, reader, pacer, device.id, _walker(context), stop=never)
        if not await asyncio.to_thread(lease, turns):
            # Another process reads it now, and no event of ours says when it is done.
            await asyncio.sleep(LOOK)
            continue
        try:
            walk = Walk(context, reader, device, turns, began=now, progress=progress)
            if (report := (await _walk(context, walk, full=full)).report) is not None:
                return report
        except LostError:
            continue
        finally:
            await asyncio.to_thread(_release, context, device.id, turns.owner)


async def _walk(context: Context, walk: Walk, *, full: bool | None) -> Slice:
    """`full` None: a slice, for whatever the device lacks; else a complete or an incremental sync to the end."""
    more, problem = False, None
    try:
        more = await _stages(context, walk, full=full)
    except StoppedError:
        more = True
    except TimeIsUpError:
        more = True
        if walk.reads == "changes":
            # So much changed that no slice can read it all: only a complete sync goes on where the last one was.
            await asyncio.to_thread(_want_complete, context, walk)
    except PausedError as paused:
        problem = str(paused)
    except RateLimitedError as error:
        await asyncio.to_thread(note_fault, context, walk.device.id, error)
        problem = str(error)
    except ProviderError as error:
        await asyncio.to_thread(_note_failure, context, walk.device, error)
        problem = str(error)
    # Whatever was read stays, however the walk ended; a complete one also tells what is missing.
    since = None if walk.reads == "everything" else walk.began
    await asyncio.to_thread(recheck.run, context, walk.device.id, read_since=since, now=context.clock())
    return Slice(_report(walk, problem), more)


async def _stages(context: Context, walk: Walk, *, full: bool | None) -> bool:
    """Whether hints are left."""
    left, sliced = False, full is None
    if sliced:
        await walk.status()
    if unusable(walk.device):
        return False
    needs = await asyncio.to_thread(_needs, context, walk.device.id)
    full = full or needs.complete
    # A complete sync to the end reads every chat anyway.
    if needs.hinted and (sliced or not full):
        left = await walk.hinted(HINTS_A_SLICE if sliced else HINTS_A_RUN)
    if full:
        await walk.complete()
        await asyncio.to_thread(coverage.count, context, walk.device.id, now=context.clock())
    elif needs.partial or not sliced:
        await walk.incremental()
    return left


def never() -> bool:
    """A sync that nobody stops."""
    return False


def _walker(context: Context) -> str:
    # Threads of one process share its name, and each walk needs its own.
    return f"{context.owner}/{token_hex(4)}"


def _report(walk: Walk, problem: str | None) -> DeviceReport:
    device, useless = walk.device, unusable(walk.device)
    return DeviceReport(
        device=device.device,
        alias=device.alias,
        full=walk.reads == "everything",
        seen=walk.seen,
        new=walk.new,
        changed=walk.changed,
        missing=walk.missing,
        problem=problem or useless,
        unusable=useless is not None,
    )


def _needs(context: Context, device_id: int) -> sweeps.Needs:
    with reading(context.sessions) as session:
        return sweeps.needs(session, context.settings, device_id, now=context.clock())


def _want_complete(context: Context, walk: Walk) -> None:
    with context.sessions.begin() as session:
        sweeps.want(session, [walk.device.id], at=walk.began)


def _release(context: Context, device_id: int, owner: str) -> None:
    with context.sessions.begin() as session:
        sweeps.release(session, device_id, owner)


def _note_failure(context: Context, device: Device, error: ProviderError) -> None:
    note_fault(context, device.id, error)
    now = context.clock()
    with context.sessions.begin() as session:
        sweeps.failed(session, device.id, at=now)
        detail = {"error": type(error).__name__, "status": error.status}
        audit.append(
            session, Event.SYNC_FAILED, at=now, actor=context.actor, device=device.device, detail=detail
        )
