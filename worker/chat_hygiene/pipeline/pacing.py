"""The request budget as the async stages use it: a token per request, from the device's row that all processes share."""

import asyncio
from collections import defaultdict
from threading import Lock

from chat_hygiene.pipeline.context import Context
from chat_hygiene.store import budgets
from chat_hygiene.store.engine import reading

CALLS_PER_JOB = 3
"""The fresh read, the DELETE and the read-back."""


class Pacer:
    """Takes tokens for this process and keeps those left over from a grant, per device. Threads may share it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._left: dict[int, int] = defaultdict(int)
        self._lock = Lock()

    def take_jobs(self, device_id: int, most: int) -> int:
        """How many whole jobs (0 to `most`) the device's budget allows now. Blocking: call it off the loop."""
        with self._lock:
            missing = most * CALLS_PER_JOB - self._left[device_id]
            self._left[device_id] += self._take(device_id, missing) if missing > 0 else 0
            granted = min(most, self._left[device_id] // CALLS_PER_JOB)
            self._left[device_id] -= granted * CALLS_PER_JOB
        return granted

    def give_back(self, device_id: int, calls: int) -> None:
        """Calls that were granted and not made."""
        with self._lock:
            self._left[device_id] += calls

    def wait(self, device_id: int, calls: int) -> float:
        """Seconds until the budget can grant that many calls more. Blocking."""
        with reading(self._context.sessions) as session:
            return budgets.wait_for(
                session, device_id, calls, per_minute=self._context.settings.requests_per_minute
            )

    async def call(self, device_id: int) -> None:
        """Waits until one more request to the device may be made."""
        while not await asyncio.to_thread(self._one, device_id):
            seconds = await asyncio.to_thread(self.wait, device_id, 1)
            await asyncio.sleep(seconds)

    def _one(self, device_id: int) -> bool:
        with self._lock:
            if not self._left[device_id]:
                self._left[device_id] = self._take(device_id, 1)
            if not self._left[device_id]:
                return False
            self._left[device_id] -= 1
        return True

    def _take(self, device_id: int, wanted: int) -> int:
        with self._context.sessions.begin() as session:
            return budgets.take(
                session, device_id, wanted, per_minute=self._context.settings.requests_per_minute
            )
