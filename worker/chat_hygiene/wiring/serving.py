"""The stages as a process that serves calls them: over and over, a slice at a time, beside others on the same database.

Every method looks at the rows first, does what is due and returns the stage's report; called twice, late or by two
processes at once it does nothing twice. What cannot be done for now is an error to tell and to leave: the next look
comes by itself.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import BoundedSemaphore, Lock
from typing import Any, TypeVar

import structlog

from chat_hygiene.clock import Clock, utc_now
from chat_hygiene.pipeline import debts, departed, drain, evaluate, purge, reconcile, seal, sync, tick
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.providers import notify, registry
from chat_hygiene.providers.base import Reader
from chat_hygiene.settings import Settings
from chat_hygiene.store import heartbeats, presence, runs
from chat_hygiene.store.engine import reading
from chat_hygiene.store.keys import load_keys
from chat_hygiene.wiring import keyring, notifying
from chat_hygiene.wiring.deadman import DeadMan
from chat_hygiene.wiring.health import health
from chat_hygiene.wiring.ledger import Ledger, open_ledger

SLICE = timedelta(seconds=60)
"""No stage takes up new work for longer; it then needs at most the time of the calls that are out."""
HORIZON = timedelta(seconds=15)
"""A drain sits out shorter waits; after longer ones the next tick wakes one."""
SYNCS = 4
"""Devices that one process reads at once: the embedded process has to keep threads for everything else."""

_log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was put in order: leases taken back, jobs of numbers that left the account closed."""

    leases: reconcile.Report
    departed: int


def check(settings: Settings) -> None:
    """Whether this process could work at all. Raises a HygieneError that says what to set; reaches for nothing."""
    load_keys(settings)
    if settings.notify_addresses and not notify.installed():
        # Work that goes on untold is better than none.
        _log.error(notifying.MISSING, fix=notifying.INSTALL)
    asyncio.run(registry.open_reader(settings, utc_now).aclose())


class Service:
    """All stages over one ledger, which is opened when first needed: a database that is down at start may come up."""

    def __init__(self, settings: Settings, *, stop: Callable[[], bool], clock: Clock = utc_now) -> None:
        """`stop` is asked again and again by whatever takes long; true makes it finish what is out, and end."""
        self.settings, self._stop, self._clock = settings, stop, clock
        self._opening, self._draining, self._syncing = Lock(), Lock(), BoundedSemaphore(SYNCS)
        self._context: Context | None = None
        self._pid = 0
        self._deadman = DeadMan(settings, clock=clock, well=self._well)
        self._open = ExitStack()

    def open(self) -> None:
        """Opens the ledger now. Raises DatabaseError when it cannot be used."""
        self._ready()

    def close(self) -> None:
        """Seals what this process wrote and closes the ledger; the next call opens it again. Raises DatabaseError."""
        with self._opening:
            context, self._context = self._context, None
            try:
                if context is not None and self._pid == os.getpid():
                    seal.run(context)
            finally:
                self._open.close()

    def tick(self) -> tick.Wake:
        """Claims the policies that are due, and looks what else is."""
        context = self._ready()
        return tick.run(context, now=context.clock())

    def list_devices(self) -> list[int]:
        """Asks the account for its numbers; their row ids."""

        async def work(context: Context, reader: Reader) -> list[int]:
            return [each.id for each in await sync.list_devices(context, reader, now=context.clock())]

        return self._with_reader(work)

    def sync(self, device_id: int) -> sync.Slice | None:
        """One slice of what is due on a device; None: this process reads enough devices already."""

        async def work(context: Context, reader: Reader) -> sync.Slice:
            return await sync.slice_(
                context, reader, device_id, pacer=Pacer(context), until=self._until(context), stop=self._stop
            )

        if not self._syncing.acquire(blocking=False):
            return None
        try:
            return self._with_reader(work)
        finally:
            self._syncing.release()

    def waiting_runs(self) -> list[int]:
        """The runs that may have waited for a sync that is there now."""
        with reading(self._ready().sessions) as session:
            return [each.id for each in runs.waiting(session)]

    def evaluate(self, run_id: int) -> evaluate.Report | None:
        """Evaluates a run that waited for its sync; None: it waits still, or is nobody's turn any more."""
        context = self._ready()
        return evaluate.scheduled(context, run_id, now=context.clock())

    def drain(self) -> drain.Report | None:
        """One slice of the due jobs; None: this process drains already, in another thread."""

        async def work(context: Context, reader: Reader) -> drain.Report:
            deleter = registry.open_deleter(context.settings, context.clock)
            try:
                return await drain.run(
                    context,
                    reader,
                    deleter,
                    pacer=Pacer(context),
                    horizon=HORIZON,
                    until=self._until(context),
                    stop=self._stop,
                )
            finally:
                await deleter.aclose()

        if self.settings.read_only:
            return drain.Report(0, "READ_ONLY is set: this process holds no deleter")
        if not self._draining.acquire(blocking=False):
            return None
        try:
            return self._with_reader(work)
        finally:
            self._draining.release()

    def reconcile(self) -> Reconciled:
        """Takes back leases that are over, closes jobs of departed numbers."""
        context = self._ready()
        leases = reconcile.run(context, now=context.clock())
        return Reconciled(leases, departed.run(context, now=context.clock()))

    def look_at_debts(self) -> debts.Report | None:
        """One round through the debts that are due; None: a round began within a slice's time, here or elsewhere."""

        async def work(context: Context, reader: Reader) -> debts.Report:
            return await debts.run(
                context,
                reader,
                pacer=Pacer(context),
                now=context.clock(),
                until=self._until(context),
                stop=self._stop,
            )

        context = self._ready()
        with context.sessions.begin() as session:
            if not heartbeats.chore_begun(session, "debts", now=context.clock(), every=SLICE):
                return None
        return self._with_reader(work)

    def purge(self) -> purge.Report:
        """Lets go of our own rows past their retention, one slice at a time."""
        context = self._ready()
        until = self._until(context)
        stop = self._stop
        return purge.run(context, now=context.clock(), stop=lambda: stop() or context.clock() >= until)

    def seal(self) -> int:
        """Seals what is not sealed yet; how many events."""
        return seal.run(self._ready())

    def watching(self) -> AbstractContextManager[None]:
        """Around a pass over the schedules: tells the dead man's switch, if there is one, how it went."""
        return self._deadman.watching()

    def notify(self) -> notifying.Told:
        """Tells people what began to be wrong and what is over, and the digest when its time has come."""
        context = self._ready()
        return notifying.run(context, now=context.clock())

    def beat(self, part: str) -> None:
        """Writes that `part` is alive."""
        context = self._ready()
        with context.sessions.begin() as session:
            heartbeats.beat(session, part, now=context.clock())

    def _well(self) -> bool:
        return health(Ledger(self._ready()), now=self._clock()).ok

    def _ready(self) -> Context:
        with self._opening:
            if self._context is not None and self._pid != os.getpid():
                self._disown(self._context)
            if self._context is None:
                self._context = self._opened()
                self._pid = os.getpid()
            return self._context

    def _opened(self) -> Context:
        with ExitStack() as stack:
            context = stack.enter_context(open_ledger(self.settings, clock=self._clock)).context
            keyring.require(context)
            if self.settings.sqlite_file is not None:
                stack.enter_context(
                    presence.working(
                        self.settings.sqlite_file,
                        when_alone=lambda: reconcile.run(context, now=context.clock(), alone=True),
                    )
                )
            self._open = stack.pop_all()
        return context

    def _disown(self, context: Context) -> None:
        # After a fork the connections are the parent's: forgotten, but not closed under it.
        with context.sessions() as session:
            session.get_bind().engine.dispose(close=False)
        self._context, self._open = None, ExitStack()

    def _until(self, context: Context) -> datetime:
        return context.clock() + SLICE

    def _with_reader(self, work: Callable[[Context, Reader], Coroutine[Any, Any, T]]) -> T:
        context = self._ready()

        async def run() -> T:
            reader = registry.open_reader(context.settings, context.clock)
            try:
                return await work(context, reader)
            finally:
                await reader.aclose()

        return asyncio.run(run())
