"""The calls that a drain makes to one device side by side, shared out among its jobs.

A job that is about to delete goes before those that still have to read: what was read for it grows old.
"""

import asyncio
from collections import deque

SIDE_BY_SIDE = 8
"""As many as a device's client has connections."""


class Lines:
    """Who may call. Use from one event loop."""

    def __init__(self) -> None:
        self._free = SIDE_BY_SIDE
        self._pressed: deque[asyncio.Future[None]] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, *, pressed: bool = False) -> None:
        """Waits for a line; `pressed`: before all who are not."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._pressed if pressed else self._waiting).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """One line is free again."""
        for queue in (self._pressed, self._waiting):
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._free += 1
