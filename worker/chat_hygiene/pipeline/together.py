"""What several tasks of one loop want stored at the same time, stored together: one transaction for all of them.

A transaction costs more than most of what is done in it. While one is at work, in a thread, whoever else comes waits, and
the next one takes up all who wait: nobody waits for company, and the more there is to do the less each costs.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy.exc import OperationalError

from chat_hygiene.core.errors import DatabaseError

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

MOST = 64
"""In one transaction: what it locks, others wait for."""


class Together(Generic[Ask, Answer]):
    """Does one kind of work for many. Use from one event loop.

    `work` gets what is asked for and gives the answers in the same order, in one transaction. When it raises, nothing of it
    was stored, and each ask is tried alone: only the one at fault is told of the error. That the database is away is told
    to all at once: each alone would wait for it anew.
    """

    def __init__(self, work: Callable[[Sequence[Ask]], Sequence[Answer]]) -> None:
        self._work = work
        self._waiting: list[tuple[Ask, asyncio.Future[Answer]]] = []
        self._server: asyncio.Task[None] | None = None

    async def ask(self, ask: Ask) -> Answer:
        """The answer, once it is stored."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, answer))
        if self._server is None or self._server.done():
            self._server = asyncio.create_task(self._serve())
        return await answer

    async def _serve(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            if not await self._answer(batch):
                for each in batch:
                    await self._answer([each])

    async def _answer(self, batch: Sequence[tuple[Ask, asyncio.Future[Answer]]]) -> bool:
        """Whether each of them was told something."""
        try:
            answers = await asyncio.to_thread(self._work, [ask for ask, _ in batch])
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            if len(batch) > 1 and not isinstance(error, DatabaseError | OperationalError):
                return False
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return True
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
        return True
