"""The request budget as the async stages use it: a token per request, from the device's row that all processes share."""

import asyncio

from chat_hygiene.pipeline.context import Context
from chat_hygiene.store import budgets
from chat_hygiene.store.engine import reading

CALLS_PER_JOB = 3
"""The fresh read, the DELETE and the read-back."""


class Pacer:
    """Takes tokens one by one, and waits for them."""

    def __init__(self, context: Context) -> None:
        self._sessions, self._per_minute = context.sessions, context.settings.requests_per_minute

    async def call(self, device_id: int) -> None:
        """Waits until one more request to the device may be made."""
        while not await asyncio.to_thread(self.take, device_id):
            seconds = await asyncio.to_thread(self._wait, device_id)
            await asyncio.sleep(seconds)

    def take(self, device_id: int) -> bool:
        """Whether one more request to the device may be made right now. Blocking: call it off the loop."""
        with self._sessions.begin() as session:
            return budgets.take(session, device_id, 1, per_minute=self._per_minute) > 0

    def give_back(self, device_id: int, calls: int) -> None:
        """Returns the tokens of calls that were not made. Blocking: call it off the loop."""
        with self._sessions.begin() as session:
            budgets.give_back(session, device_id, calls)

    def _wait(self, device_id: int) -> float:
        with reading(self._sessions) as session:
            tokens = budgets.available(session, [device_id], per_minute=self._per_minute)[device_id]
        return budgets.wait(tokens, 1, per_minute=self._per_minute)
