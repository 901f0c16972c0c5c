"""A scene with the real thing in it: Celery's workers and beats on a Redis that can be killed, frozen and emptied."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chaos.scene import PATIENCE, Scene
from chat_hygiene.core.errors import HygieneError
from support.brokers import OwnBroker, broker
from support.outside import Outside, serving
from support.processes import Deployment, Process

DELETE = ("-Q", "delete")
OTHERS = ("-Q", "sync,evaluate,maintenance", "-c", "2")
BEAT = ("beat",)
NEXT_SLOT = 3
"""Seconds without open work, although there should be some, before a scenario lets its next slot come."""


class Plant(Scene):
    """A world, a database, a broker, and the processes of production over them."""

    def __init__(
        self, world: Outside, database_url: str, rng: Random, redis: OwnBroker, folder: Path, **settings: str
    ) -> None:
        """`settings` go to the processes: an address with a proxy in between, for one."""
        super().__init__(
            world,
            database_url,
            rng,
            CHAT_HYGIENE_INTERNAL_TICK_SECONDS="1",
            CHAT_HYGIENE_SYNC_INTERVAL_SECONDS="1",
            CHAT_HYGIENE_FULL_SYNC_INTERVAL_SECONDS="2",
        )
        self.redis = redis
        env = self.env | {"CHAT_HYGIENE_BROKER_URL": redis.url} | settings
        self._deployment = Deployment(env, self.engine, redis, world, folder)
        self.processes: list[tuple[tuple[str, ...], Process]] = []
        self._idle_since: float | None = None

    def open(self) -> None:
        """Starts what production has, and waits until its workers are ready."""
        self.worker(*DELETE)
        self.worker(*OTHERS)
        self.beat()

    def worker(self, *words: str) -> Process:
        """One more worker."""
        process = self._deployment.worker(*words)
        self.processes.append((words, process))
        return process

    def beat(self) -> Process:
        """One more beat."""
        process = self._deployment.beat()
        self.processes.append((BEAT, process))
        return process

    def of(self, *words: str) -> list[Process]:
        """The living processes that were started so."""
        return [process for started, process in self.processes if started == words and process.alive]

    def make_due(self, ago: str = "5 minutes") -> None:
        """The policy's slot is so long past: if only minutes, as if its time had just come."""
        self.sql(f"update policies set next_run_at = {self.past(ago)} where next_run_at is not null")

    def past(self, ago: str) -> str:
        """The SQL of an instant so long ago."""
        if self.dialect == "sqlite":
            return f"strftime('%Y-%m-%dT%H:%M:%S', 'now', '-{ago}') || '.000000Z'"
        return f"now() - interval '{ago}'"

    def sql(self, statement: str) -> list[tuple]:
        """What a statement of the test gives."""
        with self.engine.begin() as connection:
            found = connection.execute(text(statement))
            return [tuple(row) for row in found] if found.returns_rows else []

    def until(self, condition: Callable[[], object], what: str) -> float:
        """Waits for what has to come; the seconds it took. A database that is away answers nothing yet."""
        started = time.monotonic()
        while time.monotonic() - started < PATIENCE:
            with suppress(DBAPIError, HygieneError):
                if condition():
                    return time.monotonic() - started
            time.sleep(0.05)
        said = "\n".join(process.said()[-1500:] for _, process in self.processes)
        raise AssertionError(f"{what}: not within {PATIENCE} s\n{said}")

    def deleted(self, more: int, *, next_slot: bool = False) -> None:
        """Waits until so many more DELETE calls were made; `next_slot` lets one come when nothing is open any more."""
        goal = len(self.world.deletes()) + more

        def done() -> bool:
            if next_slot:
                self.next_slot()
            return len(self.world.deletes()) >= goal

        self.until(done, f"{more} more deletions")

    def settle(self) -> float:
        """Waits until all that has to go is gone and no job is open; the seconds it took."""

        def done() -> bool:
            self.requeue()
            self.next_slot()
            return not self.unfinished() and not self.doomed()

        return self.until(done, "the end of all work")

    def next_slot(self) -> None:
        """Lets the next slot come as soon as nothing is open: what the syncs show only after a slot's run goes with that one."""
        if self.unfinished() or not self.doomed():
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > NEXT_SLOT:
            self._idle_since = None
            self.make_due()

    def close(self) -> None:
        """Ends every process, the frozen ones too."""
        for _, process in self.processes:
            if process.alive:
                process.tell(signal.SIGCONT, group=True)
        self._deployment.close()


@contextmanager
def plant(
    database_url: str,
    folder: Path,
    rng: Random,
    settings: Callable[[OwnBroker], dict[str, str]] = lambda _redis: {},
) -> Iterator[Plant]:
    """A plant for the length of the block; `settings` may lay a proxy before the broker."""
    logs = folder / "processes"
    logs.mkdir()
    with serving(Outside()) as world, broker() as redis:
        made = Plant(world, database_url, rng, redis, logs, **settings(redis))
        try:
            yield made
        finally:
            world.watch = lambda _moment, _call: None
            made.close()
            made.engine.dispose()
