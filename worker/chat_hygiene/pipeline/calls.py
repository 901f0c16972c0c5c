"""The calls that a removal makes, with a device's faults noted in its row, and who may call a device at all.

A fault of the device, the key or the line is told apart from an answer about the chat: it raises `DeviceFaultError`, and
costs the job no attempt.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from chat_hygiene.core.decisions import Answer, Intent
from chat_hygiene.core.errors import (
    BadAnswerError,
    ConflictError,
    NotFoundError,
    ProviderError,
    RateLimitedError,
    RefusedError,
    TooLateError,
    UnauthorizedError,
)
from chat_hygiene.core.facts import ChatFacts, DeviceFacts
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.pacing import CALLS_PER_JOB, Pacer
from chat_hygiene.pipeline.together import Together
from chat_hygiene.providers.base import Deleter, Reader
from chat_hygiene.settings import MAX_CLOCK_SKEW
from chat_hygiene.store import breakers, devices
from chat_hygiene.store.devices import Device
from chat_hygiene.store.engine import reading
from chat_hygiene.store.jobs import Job

# A good answer from a device vouches for it this long when a chat of it reads 404.
VOUCHED = timedelta(seconds=60)
KNOWN = 0.25
"""Seconds that a device's row is known before a read: what another process found stops reads so much later, and no DELETE."""
SUSPECT = 5
"""A job that was claimed more often suspects its chat when a read fails: another read on the same device tells."""


class DeviceFaultError(Exception):
    """The device, the key or the line is at fault, not this chat. `until` is when a next try makes sense."""

    def __init__(self, reason: str, until: datetime) -> None:
        super().__init__(reason)
        self.reason, self.until = reason, until


class UnreadableError(Exception):
    """The service does not show this chat, or showed something else: the chat is at fault, not its device."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the DELETE call gave, and the service's own error code if it sent one."""

    answer: Answer
    code: str | None = None


def clocks_apart(reader: Reader) -> timedelta | None:
    """By how much our clock and the API's differ, when that is too much to delete by either. None before its first answer."""
    skew = reader.clock_skew
    return None if skew is None or abs(skew) <= MAX_CLOCK_SKEW else abs(skew)


def note_fault(
    context: Context, device_id: int, error: ProviderError, *, probe: bool = False
) -> DeviceFaultError:
    """Stores in the device's row what an error means for all its calls; `probe`: the breaker's one probe met it."""
    now = context.clock()
    soon = now + context.settings.retry_base_seconds * context.rng.random()
    with context.sessions.begin() as session:
        if probe and isinstance(error, RateLimitedError | UnauthorizedError | NotFoundError):
            # The service is there and says no: from here on that stands in the way, not the breaker.
            breakers.close(session, device_id)
        match error:
            case RateLimitedError(retry_at=at):
                breakers.pause(session, device_id, at)
                return DeviceFaultError("rate limited", at)
            case UnauthorizedError():
                reason = "plan" if error.status == 402 else "key"
                breakers.block(session, device_id, reason, now=now, actor=context.actor)
                return DeviceFaultError(reason, soon)
            case NotFoundError():
                breakers.block(session, device_id, breakers.GONE, now=now, actor=context.actor)
                return DeviceFaultError(breakers.GONE, soon)
            case _:
                breakers.bad_call(session, device_id, now=now, probe=probe)
                return DeviceFaultError("unreachable", soon)


async def admitted(context: Context, reader: Reader, device_id: int, *, pacer: Pacer) -> bool:
    """Whether the device may be called now: neither paused nor behind an open breaker.

    When the breaker's wait is over, one process of all reads one chat of its listing first, and the answer decides for
    all. A block is not asked here: only a good read lifts one.
    """
    (device,) = await asyncio.to_thread(_rows, context, [device_id])
    if device.waits_until(context.clock()) is not None:
        return False
    if device.breaker_until is None:
        return True
    await pacer.call(device_id)
    if not await asyncio.to_thread(_is_mine_to_probe, context, device_id):
        await asyncio.to_thread(pacer.give_back, device_id, 1)
        return False
    try:
        await reader.chats(device.device, page=0, size=1)
    except ProviderError as error:
        await asyncio.to_thread(note_fault, context, device_id, error, probe=True)
        return False
    await asyncio.to_thread(_clear, context, [(device_id, True)])
    return True


def _rows(context: Context, device_ids: Sequence[int]) -> list[Device]:
    with reading(context.sessions) as session:
        found = {device.id: device for device in devices.load(session, set(device_ids))}
    return [found[device_id] for device_id in device_ids]


def _is_mine_to_probe(context: Context, device_id: int) -> bool:
    lasts = 2 * context.settings.read_deadline_seconds
    with context.sessions.begin() as session:
        return breakers.probe(session, device_id, now=context.clock(), lasts=lasts)


def _clear(context: Context, answered: Sequence[tuple[int, bool]]) -> list[None]:
    """Devices that gave a good answer, each with whether it was about its chats."""
    now, actor = context.clock(), context.actor
    with context.sessions.begin() as session:
        # By id, as whoever else locks several does.
        for device_id, of_chats in sorted(answered):
            breakers.good_call(session, device_id, now=now, actor=actor, of_chats=of_chats)
    return [None] * len(answered)


class Calls:
    """The reads and the one DELETE of the removals of one drain. Three of a job's calls are paid for when it is claimed."""

    def __init__(self, context: Context, reader: Reader, deleter: Deleter, pacer: Pacer) -> None:
        self._context, self._reader, self._deleter, self._pacer = context, reader, deleter, pacer
        self._rows = Together(partial(_rows, context))
        self._clears = Together(partial(_clear, context))
        self._seen: dict[int, tuple[Device, float]] = {}
        self._made: Counter[tuple[int, int]] = Counter()
        self._vouched: dict[int, datetime] = {}
        # Devices whose good answers since their last fault, at that instant, are told in their row.
        self._told: set[int] = set()
        self._faults: dict[int, datetime] = {}

    def unused(self, job: Job) -> int:
        """How many of the calls that were paid for were not made. Forgets the job."""
        return max(0, CALLS_PER_JOB - self._made.pop(job.claim, 0))

    async def read(self, job: Job) -> ChatFacts | None:
        """The chat as it is now; None when it is gone from a device that is there.

        Raises DeviceFaultError, or UnreadableError for what reading again will not change.
        """
        began = await self._begin(job)
        self._made[job.claim] += 1
        try:
            facts = await self._reader.chat(job.device, job.wid)
        except NotFoundError:
            last = self._vouched.get(job.device_id)
            if last is None or self._context.clock() - last > VOUCHED:
                await self.device(job)
            return None
        except (RefusedError, BadAnswerError):
            raise UnreadableError from None
        except ProviderError as error:
            if job.fence > SUSPECT and not isinstance(error, RateLimitedError | UnauthorizedError):
                await self._others(job)
                raise UnreadableError from None
            raise await self._fault(job, error) from None
        await self._good(job, began)
        return facts

    async def _others(self, job: Job) -> None:
        """Reads one chat of the device's listing. Raises DeviceFaultError when that fails, too."""
        await self._pacer.call(job.device_id)
        began = await self._begin(job)
        try:
            await self._reader.chats(job.device, page=0, size=1)
        except ProviderError as error:
            raise await self._fault(job, error) from None
        await self._good(job, began)

    def check_clocks(self) -> None:
        """Raises DeviceFaultError when our clock and the one of the last answer are too far apart to delete by either."""
        if clocks_apart(self._reader) is not None:
            raise DeviceFaultError("clocks apart", self._context.clock() + MAX_CLOCK_SKEW)

    async def device(self, job: Job) -> DeviceFacts:
        """The control read: the chat's device as it is now."""
        await self._pacer.call(job.device_id)
        began = await self._begin(job)
        try:
            facts = await self._reader.device(job.device)
        except ProviderError as error:
            raise await self._fault(job, error) from None
        await asyncio.to_thread(self._record, facts)
        await self._good(job, began, of_chats=False)
        return facts

    async def delete(self, job: Job, intent: Intent, *, not_after: datetime) -> Answered:
        """Makes the one call. Raises DeviceFaultError only when it certainly did not act."""
        self._made[job.claim] += 1
        try:
            await self._deleter.delete(
                job.device,
                job.wid,
                from_whatsapp=intent is not Intent.PLATFORM,
                force=intent is Intent.FORCE,
                not_after=not_after,
            )
        except TooLateError:
            self._made[job.claim] -= 1
            raise DeviceFaultError("read too old", self._soon()) from None
        except NotFoundError as error:
            return Answered(Answer.GONE, error.code)
        except ConflictError as error:
            return Answered(Answer.CONFLICT, error.code)
        except RefusedError as error:
            return Answered(Answer.REFUSED, error.code)
        except ProviderError as error:
            fault = await self._fault(job, error)
            if not error.unknown_outcome:
                raise fault from None
            return Answered(Answer.UNKNOWN, error.code)
        return Answered(Answer.ACCEPTED)

    def _soon(self) -> datetime:
        return self._context.clock() + self._context.settings.retry_base_seconds * self._context.rng.random()

    async def _begin(self, job: Job) -> datetime:
        """The instant a read begins. Raises DeviceFaultError when another call, here or elsewhere, found its device at fault."""
        device = await self._row(job.device_id)
        now = self._context.clock()
        if device.blocked_reason is not None:
            raise DeviceFaultError(device.blocked_reason, self._soon())
        if (until := device.waits_until(now)) is not None:
            raise DeviceFaultError("paused", until)
        if device.breaker_until is not None:
            raise DeviceFaultError("to be probed first", self._soon())
        return now

    async def _row(self, device_id: int) -> Device:
        loop = asyncio.get_running_loop()
        row, at = self._seen.get(device_id, (None, 0.0))
        if row is None or loop.time() - at > KNOWN:
            at = loop.time()
            row = await self._rows.ask(device_id)
            self._seen[device_id] = (row, at)
        return row

    async def _fault(self, job: Job, error: ProviderError) -> DeviceFaultError:
        self._told.discard(job.device_id)
        self._seen.pop(job.device_id, None)
        self._faults[job.device_id] = self._context.clock()
        return await asyncio.to_thread(note_fault, self._context, job.device_id, error)

    async def _good(self, job: Job, began: datetime, *, of_chats: bool = True) -> None:
        self._vouched[job.device_id] = self._context.clock()
        fault = self._faults.get(job.device_id)
        # What was asked before the last fault says nothing about it.
        if job.device_id in self._told or (fault is not None and began <= fault):
            return
        if of_chats:
            self._told.add(job.device_id)
        await self._clears.ask((job.device_id, of_chats))

    def _record(self, facts: DeviceFacts) -> None:
        with self._context.sessions.begin() as session:
            devices.record(session, self._reader.name, [facts], now=self._context.clock())
