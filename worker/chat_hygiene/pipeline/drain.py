"""Drain: one asyncio loop per process over every due job of every device.

It takes tokens, claims what they allow, and works the claimed jobs side by side, a few per device. It ends when nothing
is due within the horizon, when its time is over or when it is told to stop; a long-lived worker calls it again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement

from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import reconcile, removal
from chat_hygiene.pipeline.calls import Calls
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.pacing import CALLS_PER_JOB, Pacer
from chat_hygiene.providers.base import Deleter, Reader
from chat_hygiene.settings import MAX_CLOCK_SKEW
from chat_hygiene.store import devices, jobs, moves, switches
from chat_hygiene.store.engine import reading
from chat_hygiene.store.jobs import Job

PER_DEVICE = 8
STALLED = timedelta(minutes=5)
"""A device whose jobs are only handed back for so long is left to a later drain."""
BUDGET_LOOK = timedelta(seconds=10)
STOP_LOOK = 0.5
"""Seconds between two looks at `stop`: a flag that another thread sets wakes no loop."""

Progress = Callable[[int], None]
"""Called with the number of jobs worked so far."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a drain ended.

    Attributes:
        worked: jobs that came to rest.
        stopped: why it left due jobs alone, if deleting is stopped.
        more: it ended early, by `until` or `stop`, and another drain would find work within the horizon.
    """

    worked: int
    stopped: str | None = None
    more: bool = False


def never() -> bool:
    """A drain that nobody stops."""
    return False


async def run(
    context: Context,
    reader: Reader,
    deleter: Deleter,
    *,
    pacer: Pacer,
    horizon: timedelta,
    policies: Collection[int] | None = None,
    progress: Progress | None = None,
    until: datetime | None = None,
    stop: Callable[[], bool] = never,
) -> Report:
    """Works due jobs, of these policies only if given, until none is due within `horizon` from now.

    Longer waits it sits out only for a call that may still be at work after its process died. From `until` on, or once
    `stop()` is true, it claims nothing more, finishes the jobs in flight and hands back what did not start.
    """
    work = _Drain(context, reader, deleter, pacer, jobs.of_policies(policies), progress)
    return await work.run(horizon, until, stop)


class _Drain:
    def __init__(
        self,
        context: Context,
        reader: Reader,
        deleter: Deleter,
        pacer: Pacer,
        mine: ColumnElement[bool],
        progress: Progress | None,
    ) -> None:
        self._context, self._reader, self._pacer, self._progress = context, reader, pacer, progress
        self._mine = mine
        self._stalled_since: dict[int, datetime] = {}
        self._calls = Calls(context, reader, deleter, pacer)
        self._active: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[bool]] = set()
        self._worked = 0
        self._freed = asyncio.Event()

    async def run(self, horizon: timedelta, until: datetime | None, stop: Callable[[], bool]) -> Report:
        def over() -> bool:
            return stop() or (until is not None and self._context.clock() >= until)

        try:
            return await self._loop(horizon, over)
        finally:
            # Calls in flight are finished, also when the loop ends by an error.
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _loop(self, horizon: timedelta, over: Callable[[], bool]) -> Report:
        while True:
            # Cleared before anything is looked at: a job that ends from here on wakes the rest below.
            self._freed.clear()
            self._raise_failures()
            if (reason := await asyncio.to_thread(self._stop_reason)) is not None:
                await asyncio.gather(*self._tasks)
                return Report(self._worked, reason)
            if over():
                await asyncio.gather(*self._tasks)
                wake, _ = await asyncio.to_thread(self._wake_at)
                more = wake is not None and wake - self._context.clock() <= horizon
                return Report(self._worked, more=more)
            for job in await asyncio.to_thread(self._claim):
                if over():
                    await asyncio.to_thread(self._hand_back, job)
                else:
                    self._start(job)
            wake, unanswered = await asyncio.to_thread(self._wake_at)
            now = self._context.clock()
            patience = max(horizon, self._context.settings.delete_deadline_seconds) if unanswered else horizon
            if not self._tasks and (wake is None or wake - now > patience):
                return Report(self._worked)
            await self._rest(wake, over)

    async def _rest(self, until: datetime | None, over: Callable[[], bool]) -> None:
        """Until a job of this process ends, until then, or until the drain is over."""
        while not over():
            seconds = STOP_LOOK
            if until is not None:
                seconds = min(seconds, (until - self._context.clock()).total_seconds())
            if seconds <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._freed.wait(), seconds)
                return

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(removal.run(self._context, self._calls, job))
        self._active[job.device_id] += 1
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(job, ended))

    def _hand_back(self, job: Job) -> None:
        """Claimed, and the drain was over before it began."""
        context, now = self._context, self._context.clock()
        with context.sessions.begin() as session:
            moves.move(
                session,
                job.id,
                JobEvent.RELEASE,
                now=now,
                actor=context.actor,
                fence=job.fence,
                detail={"reason": "not begun"},
            )
        self._pacer.give_back(job.device_id, CALLS_PER_JOB)

    def _ended(self, job: Job, task: asyncio.Task[bool]) -> None:
        self._active[job.device_id] -= 1
        if task.cancelled() or task.exception() is not None:
            self._freed.set()
            return
        if task.result():
            self._stalled_since.pop(job.device_id, None)
            self._worked += 1
        else:
            self._stalled_since.setdefault(job.device_id, self._context.clock())
        self._freed.set()
        if self._progress:
            self._progress(self._worked)

    def _raise_failures(self) -> None:
        done = {task for task in self._tasks if task.done()}
        self._tasks -= done
        for task in done:
            task.result()

    def _stop_reason(self) -> str | None:
        skew = self._reader.clock_skew
        if skew is not None and abs(skew) > MAX_CLOCK_SKEW:
            return f"our clock and the API's are {abs(skew).total_seconds():.0f} s apart"
        with reading(self._context.sessions) as session:
            stop = switches.stopped(session)
        return None if stop is None else f"stopped by {stop.actor}"

    def _workable(self, device: devices.Device, now: datetime) -> bool:
        stalled = self._stalled_since.get(device.id)
        patient = stalled is None or now - stalled < STALLED
        return device.online and device.blocked_reason is None and patient

    def _claim(self) -> list[Job]:
        """A batch from every device that has due jobs, may be called, and has room and budget."""
        context, now = self._context, self._context.clock()
        with reading(context.sessions) as session:
            due = [each for each, at in jobs.due_by_device(session, mine=self._mine).items() if at <= now]
            workable = [device for device in devices.load(session, due) if self._workable(device, now)]
            lease = jobs.first_lease_end(session, others_than=context.owner)
        if lease is not None and lease <= now:
            reconcile.run(context, now=now)
        claimed: list[Job] = []
        for device in workable:
            if device.waits_until(now) is not None:
                continue
            room = PER_DEVICE - self._active[device.id]
            granted = self._pacer.take_jobs(device.id, room) if room > 0 else 0
            if not granted:
                continue
            with context.sessions.begin() as session:
                taken = jobs.claim(
                    session,
                    device.id,
                    granted,
                    mine=self._mine,
                    now=now,
                    lease=context.settings.lease_seconds,
                    owner=context.owner,
                    actor=context.actor,
                )
            self._pacer.give_back(device.id, (granted - len(taken)) * CALLS_PER_JOB)
            claimed += taken
        return claimed

    def _wake_at(self) -> tuple[datetime | None, bool]:
        """When something can be done next that cannot be done now; and whether an unanswered call is waited out."""
        now = self._context.clock()
        with reading(self._context.sessions) as session:
            due = jobs.due_by_device(session, mine=self._mine)
            rows = [row for row in devices.load(session, list(due)) if self._workable(row, now)]
            unanswered = jobs.unanswered(session, mine=self._mine)
            lease = jobs.first_lease_end(session, others_than=self._context.owner)
        instants = [] if lease is None else [lease]
        for device in rows:
            if self._active[device.id] >= PER_DEVICE:
                continue
            at = max(due[device.id], device.waits_until(now) or now)
            if at <= now:
                # Due, and the budget alone is in the way: however small it is, a run does not give up for it.
                at = now + min(timedelta(seconds=self._pacer.wait(device.id, CALLS_PER_JOB)), BUDGET_LOOK)
            instants.append(at)
        return min(instants, default=None), unanswered
