"""The dead man's switch: an address elsewhere that is told of each pass over the schedules, and alarms when it hears nothing.

It is told that a pass begins, and whether it ended well: without an error, and with every part of the service alive. A
failure is told only when it lasts, so that a database that restarts wakes nobody. Work never waits for it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from chat_hygiene.clock import Clock
from chat_hygiene.providers.ping import Signal, ping
from chat_hygiene.settings import Settings

EVERY = timedelta(minutes=1)
"""It is told of one pass in so long, by each process."""
LASTING = timedelta(minutes=2)
"""A failure that goes on for so long is told; shorter ones are only not told as good."""


class DeadMan:
    """What this process tells the switch. `well`: whether every part of the service is alive."""

    def __init__(self, settings: Settings, *, clock: Clock, well: Callable[[], bool]) -> None:
        self._settings, self._clock, self._well = settings, clock, well
        self._told: datetime | None = None
        self._failing: datetime | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around a pass. What it raises is raised."""
        now = self._clock()
        if self._settings.ping_url is None or not self._due(now):
            yield
            return
        self._told, good, start = now, False, self._begin()
        try:
            yield
            good = self._well()
        finally:
            start.join()
            self._end(good=good, now=now)

    def _due(self, now: datetime) -> bool:
        # One of the future was read from a clock that ran ahead.
        return self._told is None or not timedelta(0) <= now - self._told < EVERY

    def _begin(self) -> threading.Thread:
        # The work does not wait for it; its end does, or the switch could hear the end first.
        start = threading.Thread(
            target=ping, args=(self._settings, Signal.START), name="dead-man", daemon=True
        )
        start.start()
        return start

    def _end(self, *, good: bool, now: datetime) -> None:
        self._failing = None if good else self._failing or now
        if self._failing is None:
            ping(self._settings, Signal.SUCCESS)
        elif now - self._failing >= LASTING:
            ping(self._settings, Signal.FAIL)
