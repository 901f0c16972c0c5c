"""The calls that a removal makes, each paced, with a device's faults noted in its row.

A fault of the device, the key or the line is told apart from an answer about the chat: it raises `DeviceFaultError`, and
costs the job no attempt.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

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
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.providers.base import Deleter, Reader
from chat_hygiene.store import breakers, devices
from chat_hygiene.store.jobs import Job

# A good answer from a device vouches for it this long when a chat of it reads 404.
VOUCHED = timedelta(seconds=60)


class DeviceFaultError(Exception):
    """The device, the key or the line is at fault, not this chat. `until` is when a next try makes sense."""

    def __init__(self, reason: str, until: datetime) -> None:
        super().__init__(reason)
        self.reason, self.until = reason, until


class UnreadableError(Exception):
    """The service will not show this chat, or showed something else: the chat is at fault, not its device."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the DELETE call gave, and the service's own error code if it sent one."""

    answer: Answer
    code: str | None = None


def note_fault(context: Context, device_id: int, error: ProviderError) -> DeviceFaultError:
    """Stores in the device's row what an error means for all its calls."""
    now = context.clock()
    with context.sessions.begin() as session:
        match error:
            case RateLimitedError(retry_at=at):
                breakers.pause(session, device_id, at)
                return DeviceFaultError("rate limited", at)
            case UnauthorizedError():
                reason = "plan" if error.status == 402 else "key"
                breakers.block(session, device_id, reason, now=now, actor=context.actor)
            case NotFoundError():
                reason = "gone"
                breakers.block(session, device_id, reason, now=now, actor=context.actor)
            case _:
                reason = "unreachable"
                breakers.bad_call(session, device_id, now=now)
    return DeviceFaultError(reason, now + context.settings.retry_base_seconds * context.rng.random())


class Calls:
    """The reads and the one DELETE of the removals of one drain."""

    def __init__(self, context: Context, reader: Reader, deleter: Deleter, pacer: Pacer) -> None:
        self._context, self._reader, self._deleter, self._pacer = context, reader, deleter, pacer
        self._vouched: dict[int, datetime] = {}
        self._troubled: set[int] = set()

    async def read(self, job: Job) -> ChatFacts | None:
        """The chat as it is now; None when it is gone from a device that is there.

        Raises DeviceFaultError, or UnreadableError for what reading again will not change.
        """
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
            raise await self._fault(job, error) from None
        await self._good(job)
        return facts

    async def device(self, job: Job) -> DeviceFacts:
        """The control read: the chat's device as it is now."""
        await self._pacer.call(job.device_id)
        try:
            facts = await self._reader.device(job.device)
        except ProviderError as error:
            raise await self._fault(job, error) from None
        await asyncio.to_thread(self._record, facts)
        await self._good(job)
        return facts

    async def delete(self, job: Job, intent: Intent, *, not_after: datetime) -> Answered:
        """Makes the one call. Raises DeviceFaultError only when it certainly did not act."""
        try:
            await self._deleter.delete(
                job.device,
                job.wid,
                from_whatsapp=intent is not Intent.PLATFORM,
                force=intent is Intent.FORCE,
                not_after=not_after,
            )
        except TooLateError:
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

    async def _fault(self, job: Job, error: ProviderError) -> DeviceFaultError:
        self._troubled.add(job.device_id)
        return await asyncio.to_thread(note_fault, self._context, job.device_id, error)

    async def _good(self, job: Job) -> None:
        now = self._context.clock()
        known = job.device_id in self._vouched and job.device_id not in self._troubled
        self._vouched[job.device_id] = now
        if not known:
            self._troubled.discard(job.device_id)
            await asyncio.to_thread(self._clear, job.device_id, now)

    def _clear(self, device_id: int, now: datetime) -> None:
        with self._context.sessions.begin() as session:
            breakers.good_call(session, device_id, now=now, actor=self._context.actor)

    def _record(self, facts: DeviceFacts) -> None:
        with self._context.sessions.begin() as session:
            devices.record(session, self._reader.name, [facts], now=self._context.clock())
