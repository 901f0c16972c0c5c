"""Drain: one asyncio loop per process over every due job of every device.

It takes tokens, claims what they allow, and works the claimed jobs side by side, a few per device. It ends when nothing
is due within the horizon, when its time is over or when it is told to stop; a long-lived worker calls it again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement

from chat_hygiene.pipeline import outlook, reconcile, removal
from chat_hygiene.pipeline.calls import Calls, admitted, clocks_apart
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.lines import SIDE_BY_SIDE
from chat_hygiene.pipeline.outlook import Outlook, Prospect
from chat_hygiene.pipeline.pacing import CALLS_PER_JOB, Pacer
from chat_hygiene.pipeline.shares import shares
from chat_hygiene.providers.base import Deleter, Reader
from chat_hygiene.settings import MAX_READ_AGE
from chat_hygiene.store import budgets, jobs
from chat_hygiene.store.jobs import Job

PER_DEVICE = SIDE_BY_SIDE + 6
"""Jobs that are claimed at once: a few more than can call, so that looking, claiming and the gate keep no connection idle."""
AT_ONCE = 256
"""Jobs that are claimed at once on all devices: more of them would let their reads grow too old to delete by."""
STALLED = timedelta(minutes=5)
"""A device whose jobs are only handed back for so long is left to a later drain."""
BUDGET_LOOK = timedelta(seconds=10)
CONTENDED = timedelta(seconds=0.05)
"""Due jobs that another process holds just now are not asked for again without a pause."""
STOP_LOOK = 0.5
"""Seconds between two looks at `stop`: a flag that another thread sets wakes no loop."""
REST = 5
"""Times as long as it looked around it leaves the jobs in flight alone: the more ended meanwhile, the more a look finds."""
LEFT = 0.75
"""The share of them that may be left before it looks all the same: else connections would stand idle."""
TOGETHER = 16
"""Devices whose jobs are claimed in one transaction."""

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
    mine: ColumnElement[bool] | None = None,
    progress: Progress | None = None,
    until: datetime | None = None,
    stop: Callable[[], bool] = never,
) -> Report:
    """Works due jobs, only those that are `mine` if given, until none is due within `horizon` from now.

    Longer waits it sits out only for a call that may still be at work after its process died. From `until` on, or once
    `stop()` is true, it claims nothing more and finishes the jobs in flight: what is claimed is begun at once.
    """
    work = _Drain(context, reader, deleter, pacer, jobs.of_policies(None) if mine is None else mine, progress)
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
        self._removals = removal.Removals(context, self._calls)
        self._active: Counter[int] = Counter()
        self._probing: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._worked = 0
        self._freed = asyncio.Event()
        self._few, self._fewer = 0, asyncio.Event()

    async def run(self, horizon: timedelta, until: datetime | None, stop: Callable[[], bool]) -> Report:
        def over() -> bool:
            return stop() or (until is not None and self._context.clock() >= until)

        try:
            return await self._loop(horizon, over)
        finally:
            # Calls in flight are finished, also when the loop ends by an error.
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _loop(self, horizon: timedelta, over: Callable[[], bool]) -> Report:
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            # Cleared before anything is looked at: a job that ends from here on wakes the rest below.
            self._freed.clear()
            self._raise_failures()
            view = await self._look()
            if (reason := self._stop_reason(view)) is not None:
                await asyncio.gather(*self._tasks)
                return Report(self._worked, reason)
            if over():
                await asyncio.gather(*self._tasks)
                view = await self._look()
                wake = self._wake_at(view)
                return Report(self._worked, more=wake is not None and wake - view.now <= horizon)
            changed = await self._take_up(view, over)
            if changed and not self._tasks:
                view = await self._look()
            # What is left for now after a claim the next look tells.
            wake = view.now + CONTENDED if changed and self._tasks else self._wake_at(view)
            patience = horizon
            if view.unanswered:
                patience = max(horizon, MAX_READ_AGE + self._context.settings.delete_deadline_seconds)
            if not self._tasks and (wake is None or wake - view.now > patience):
                return Report(self._worked)
            if not over():
                await self._leave_alone(min(STOP_LOOK, (clock() - began) * REST))
            await self._rest(wake, over)

    async def _look(self) -> Outlook:
        return await asyncio.to_thread(outlook.look, self._context, mine=self._mine)

    def _stop_reason(self, view: Outlook) -> str | None:
        if (apart := clocks_apart(self._reader)) is not None:
            return f"our clock and the API's are {apart.total_seconds():.0f} s apart"
        return None if view.stopped is None else view.stopped.words

    async def _leave_alone(self, seconds: float) -> None:
        """For so long, or until a good part of the jobs in flight has ended."""
        if in_flight := self._active.total():
            self._few = int(in_flight * LEFT)
            self._fewer.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._fewer.wait(), seconds)

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

    async def _take_up(self, view: Outlook, over: Callable[[], bool]) -> bool:
        """A batch from every device that has due jobs, may be called, and has room and budget. Whether anything changed."""
        changed = False
        if view.lease_end is not None and view.lease_end <= view.now:
            await asyncio.to_thread(reconcile.run, self._context, now=view.now)
            changed = True
        ready: list[tuple[Prospect, int]] = []
        for prospect in view.prospects:
            device = prospect.device
            room = self._room(prospect, view.now)
            if over() or prospect.at > view.now or not room:
                continue
            if device.breaker_until is not None:
                changed = True
                self._probing.add(device.id)
                self._start(self._probe(device.id))
            elif prospect.affords:
                ready.append((prospect, min(room, prospect.affords)))
        ready = self._shared_out(ready)
        while ready and not over():
            changed = True
            lot, ready = ready[:TOGETHER], ready[TOGETHER:]
            for job in await asyncio.to_thread(self._claim, lot):
                self._active[job.device_id] += 1
                self._start(self._work(job))
        return changed

    def _shared_out(self, ready: list[tuple[Prospect, int]]) -> list[tuple[Prospect, int]]:
        """What may be claimed of each in all, beginning with those that have the fewest in work."""
        order = sorted(ready, key=lambda each: (self._active[each[0].device.id], each[1]))
        counts = shares([wanted for _, wanted in order], AT_ONCE - self._active.total())
        return [(prospect, count) for (prospect, _), count in zip(order, counts, strict=True) if count]

    def _room(self, prospect: Prospect, now: datetime) -> int:
        """How many more of a device's jobs may be taken up."""
        device_id = prospect.device.id
        stalled = self._stalled_since.get(device_id)
        if device_id in self._probing or (stalled is not None and now - stalled >= STALLED):
            return 0
        return PER_DEVICE - self._active[device_id]

    def _claim(self, lot: Sequence[tuple[Prospect, int]]) -> list[Job]:
        context = self._context
        mine = {prospect.device.id: prospect.mine for prospect, _ in lot}
        with context.sessions.begin() as session:
            tokens = budgets.take_all(
                session,
                {prospect.device.id: room * CALLS_PER_JOB for prospect, room in lot},
                per_minute=context.settings.requests_per_minute,
                lot=CALLS_PER_JOB,
            )
            taken = jobs.claim_all(
                session,
                [(each, count // CALLS_PER_JOB, mine[each]) for each, count in tokens.items() if count],
                now=context.clock(),
                lease=context.settings.lease_seconds,
                owner=context.owner,
                actor=context.actor,
            )
            used = Counter(job.device_id for job in taken)
            for device_id, count in tokens.items():
                budgets.give_back(session, device_id, count - used[device_id] * CALLS_PER_JOB)
        return taken

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._freed.set()
        if self._active.total() <= self._few:
            self._fewer.set()

    async def _probe(self, device_id: int) -> None:
        try:
            await admitted(self._context, self._reader, device_id, pacer=self._pacer)
        finally:
            self._probing.discard(device_id)

    async def _work(self, job: Job) -> None:
        try:
            worked = await removal.run(self._removals, job)
        finally:
            self._active[job.device_id] -= 1
            if unused := self._calls.unused(job):
                await asyncio.to_thread(self._pacer.give_back, job.device_id, unused)
        if worked:
            self._stalled_since.pop(job.device_id, None)
            self._worked += 1
        else:
            self._stalled_since.setdefault(job.device_id, self._context.clock())
        if self._progress:
            self._progress(self._worked)

    def _raise_failures(self) -> None:
        done = {task for task in self._tasks if task.done()}
        self._tasks -= done
        # Each is looked at: asyncio tells of those that nobody looked at.
        for failure in [task.exception() for task in done]:
            if failure is not None:
                raise failure

    def _wake_at(self, view: Outlook) -> datetime | None:
        """When something can be done next that cannot be done now."""
        instants = [] if view.lease_end is None else [view.lease_end]
        for prospect in view.prospects:
            if not self._room(prospect, view.now):
                continue
            # However small the budget is, a run does not give up for it.
            wait = max(CONTENDED, min(prospect.budget_wait, BUDGET_LOOK))
            instants.append(prospect.at if prospect.at > view.now else view.now + wait)
        return min(instants, default=None)
