"""Where requests do their SQL: off the loop, few at a time, and none of them waits for it for long."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from threading import Lock
from typing import Any, TypeVar

import structlog

from chat_hygiene.clock import Clock
from chat_hygiene.core.errors import DatabaseError
from chat_hygiene.settings import Settings
from chat_hygiene.store.keys import load_keys
from chat_hygiene.wiring import Ledger, open_ledger

THREADS = 8
PATIENCE = 5.0
"""Seconds that a request waits for the database, its turn included. Less than a health check waits for its answer."""

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class LateError(DatabaseError):
    """It was begun and is not done: it goes on, and nobody waits for it any longer."""


class Desk:
    """The ledger of the web process, opened again and again until it can be: health is asked for when it cannot, too."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Raises InvalidInputError when a key is missing; a database that is down may come up later."""
        self._settings, self._clock = settings, clock
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="web-sql")
        self._asked: set[Future[Any]] = set()
        self._opening, self._open = Lock(), ExitStack()
        self._ledger: Ledger | None = None
        load_keys(settings)
        try:
            self._ready()
        except DatabaseError as error:
            _log.warning("the database cannot be used yet", error=str(error))

    async def ask(self, work: Callable[[Ledger], T], *, patience: float | None = None) -> T:
        """What `work` returns. Raises DatabaseError when the database cannot be used, or not in time (`PATIENCE`).

        What was begun by then goes on, and that is a LateError.
        """
        return await self.wait(lambda: work(self._ready()), patience=patience)

    async def wait(self, work: Callable[[], T], *, patience: float | None = None) -> T:
        """The same for work that needs a thread and no ledger."""
        seconds = PATIENCE if patience is None else patience
        asked = self._threads.submit(work)
        self._asked.add(asked)
        asked.add_done_callback(self._asked.discard)
        try:
            async with asyncio.timeout(seconds):
                # Given up while it waits for its turn, it is never begun.
                return await asyncio.wrap_future(asked)
        except TimeoutError:
            late = DatabaseError if asked.cancelled() else LateError
            raise late(f"the database gave no answer within {seconds:g} s") from None

    def close(self) -> None:
        """Ends its threads and closes the ledger. A thread that the database keeps waiting is left alone, with its ledger."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if wait(self._asked.copy(), PATIENCE).not_done:
            _log.warning("the database still gives no answer; what it was asked last is given up")
        else:
            self._open.close()

    def _ready(self) -> Ledger:
        with self._opening:
            if self._ledger is None:
                self._ledger = self._open.enter_context(open_ledger(self._settings, clock=self._clock))
            return self._ledger
