"""A scene whose workers are forked from a warm process: they cost next to nothing, so many can be killed."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.ambush import MOMENTS, Ambush
from chaos.scene import PATIENCE, Scene
from chaos.zygote import Worker, Zygote, zygote
from support.outside import Call, Outside, serving

Happening = Callable[["Arena", Worker], None]
"""What else befalls the world when a worker was killed."""


class Arena(Scene):
    """The scene, and the workers over it."""

    def __init__(self, world: Outside, database_url: str, rng: random.Random, warm: Zygote) -> None:
        super().__init__(world, database_url, rng)
        self._warm = warm
        warm.warm("run", self.env)

    def start(self, work: str = "run", **more: object) -> Worker:
        """A worker."""
        return self._warm.start(work, self.env, **more)

    def oversleep(self) -> None:
        """A worker is frozen in a read beyond its lease, and wakes up while another reads the same chat."""
        self.stock(30)
        ambush = self.ambush(calls=4, by=signal.SIGSTOP)
        sleeper = self.start()
        assert ambush.struck.wait(PATIENCE), sleeper.said()
        met = self._meet(ambush)
        other = self.start()
        assert met.wait(PATIENCE), other.said()
        self.world.watch = self._watch
        for worker in (other, sleeper):
            assert worker.wait() == 0, worker.said()

    def _meet(self, ambush: Ambush) -> threading.Event:
        """Wakes a frozen worker up as soon as another one reads the chat that it was reading, and holds that read.

        The event is set when they have met.
        """
        met, frozen = threading.Event(), ambush.call

        def watch(moment: str, call: Call) -> None:
            same = (call.device, call.wid) == (frozen.device, frozen.wid) and call is not frozen
            if moment == "received" and same and not met.is_set():
                os.kill(ambush.pid, signal.SIGCONT)
                time.sleep(0.3)
                met.set()

        self.world.watch = watch
        return met

    def killed(self, victim: Worker, *, at: str = "a call") -> None:
        """Notes the kill of a worker, once it is dead, and whether it met a live lease."""
        assert victim.wait() == -signal.SIGKILL, f"{at} was not reached:\n{victim.said()}"
        self.kills += 1
        self.live += bool(self.leased(victim.pid))

    def storm(self, kills: int, *, workers: int = 1, also: Happening | None = None) -> None:
        """So many kills, one after the other, each at a moment of some call; `also` happens right after each."""
        alive: list[Worker] = []
        for _ in range(kills):
            ambush = self.ambush(
                calls=self.rng.randint(1, 30),
                moment=self.rng.choice(MOMENTS),
                delay=self.rng.choice([0, 0, self.rng.uniform(0, 0.02)]),
            )
            until = time.monotonic() + PATIENCE
            while not ambush.struck.wait(0.05):
                assert time.monotonic() < until, "no worker made a call: " + " ".join(w.said() for w in alive)
                still = self._still(alive)
                # Whoever ended well found nothing left that may go now: the rest is held, or the edited policy spares it.
                left = len(self.doomed()) if len(still) < len(alive) else 0
                alive = still
                self.stock(left + 60)
                while len(alive) < workers:
                    alive.append(self.start())
            victim = next(each for each in alive if each.pid == ambush.pid)
            alive.remove(victim)
            self.killed(victim)
            if also is not None:
                also(self, victim)
        for worker in alive:
            assert worker.wait(PATIENCE) == 0, worker.said()

    def _still(self, workers: list[Worker]) -> list[Worker]:
        """Those that go on. None may have ended but well, or by us."""
        for worker in workers:
            assert worker.code in {None, 0, -signal.SIGKILL}, worker.said()
        return [each for each in workers if not each.ended.is_set() or each.code == -signal.SIGKILL]

    def wait(self, condition: Callable[[], object]) -> None:
        """Until something is so."""
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, "what was waited for did not come"
            time.sleep(0.005)

    def settle(self) -> float:
        """Lets workers work until nothing is open, as they would go on doing; the seconds it took."""
        started = time.monotonic()
        while True:
            worker = self.start()
            assert worker.wait(PATIENCE) == 0, worker.said()
            self.requeue()
            if not self.unfinished() or time.monotonic() - started > PATIENCE:
                return time.monotonic() - started


@contextmanager
def arena(
    database_url: str, folder: Path, *, rng: random.Random, tree: Path | None = None
) -> Iterator[Arena]:
    """An arena for the length of a block, over a fresh migrated database; its workers are of `tree` if given."""
    with serving(Outside()) as served, zygote(folder, tree) as warm:
        made = Arena(served, database_url, rng, warm)
        try:
            yield made
        finally:
            served.watch = lambda _moment, _call: None
            made.engine.dispose()
