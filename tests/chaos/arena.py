"""The place where a scenario happens: an API server with a log, a database, workers, and whoever kills them.

A kill strikes while a call is out: the server's own thread, holding the request, looks up in SQL whose lease the call
runs under and kills that process. So almost every kill meets a live lease, however fast or slow the machine is.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy
from sqlalchemy import text

from chaos.ambush import MOMENTS, Ambush
from chaos.ledger_check import Edit, Hold, Verdict, check
from chaos.zygote import Worker, Zygote, zygote
from chat_hygiene.core.states import JobEvent
from chat_hygiene.store import moves
from chat_hygiene.store.tables import holds
from support import inbox
from support.command import apply, environment, opened, verified
from support.outside import Call, Outside, serving

POLICY = "resolved-30d"
PATIENCE = 120
"""Seconds after which work that goes on is taken for work that never ends."""


Happening = Callable[["Arena", Worker], None]
"""What else befalls the world when a worker was killed."""


class Arena:
    """One world, one database, and the workers over them."""

    def __init__(self, world: Outside, warm: Zygote, database_url: str, rng: random.Random) -> None:
        self.world, self.rng, self.database_url = world, rng, database_url
        self._warm = warm
        self.env = environment(database_url, world.url, CHAT_HYGIENE_PAGE_SIZE="1000")
        self.engine = sqlalchemy.create_engine(database_url)
        self.kills = self.live = 0
        self.edits: list[Edit] = []
        self.holds: list[Hold] = []
        self._ambush: Ambush | None = None
        self._lock = threading.Lock()
        self._stocked = 0
        self._kept: set[tuple[str, str]] = set()
        world.watch = self._watch
        for device, alias in inbox.DEVICES.items():
            world.add_device(device, alias)
        with opened(self.env) as ledger:
            self._pseudonyms = ledger.context.keys.pseudonyms
        self.edit(30)
        self._warm.warm("run", self.env)

    @property
    def dialect(self) -> str:
        """Which engine this runs on."""
        return self.engine.dialect.name

    # ── the world ──

    def stock(self, least: int) -> None:
        """Sees to it that at least so many chats are there that have to go; most of the others are left out."""
        while len(self.doomed()) < least:
            fresh = range(self._stocked, self._stocked + 200)
            self._stocked = fresh.stop
            with self.world.lock:
                inbox.add(self.world, fresh, self.rng)
                gone = inbox.doomed(self.world)
                for device, chats in self.world.chats.items():
                    for wid in list(chats)[-len(fresh) :]:
                        if (device, wid) in gone:
                            self._trouble((device, wid))
                        elif (device, wid) not in self._kept and self.rng.random() < 0.9:
                            del chats[wid]
                    self._kept |= {(device, wid) for wid in chats}

    def _trouble(self, chat: tuple[str, str]) -> None:
        """One in twenty is refused by WhatsApp, one in twenty answers its first DELETE well and stays."""
        lot = self.rng.random()
        if lot < 0.05:
            self.world.refused.add(chat)
        elif lot < 0.1:
            self.world.ignored.add(chat)

    def doomed(self) -> list[tuple[str, str]]:
        """The chats that have to go and are still there."""
        with self.world.lock:
            return sorted(inbox.doomed(self.world))

    def message(self, chat: tuple[str, str]) -> None:
        """The customer writes."""
        self.world.message_arrives(*chat, inbox.instant(datetime.now(UTC)))

    def hold(self, chat: tuple[str, str]) -> None:
        """Somebody places a hold on a chat."""
        with self.engine.begin() as connection:
            connection.execute(
                holds.insert().values(
                    scope="chat", chat_ref=self.ref(*chat), reason="a case", held_by="ana", placed_at=datetime.now(UTC)
                )
            )  # fmt: skip
        self.holds.append(Hold(self.ref(*chat), datetime.now(UTC)))

    def edit(self, days: int) -> None:
        """Somebody stores a new version of the policy, for chats resolved that long."""
        document = inbox.POLICIES.replace("resolved_for: 30d", f"resolved_for: {days}d")
        apply(self.env, document.replace("max_chats: 1000", "max_chats: 1000000"))
        at = datetime.now(UTC)
        with self.engine.connect() as connection:
            version = connection.execute(
                text("select version from policies where name = :name"), {"name": POLICY}
            ).scalar_one()
        self.edits.append(Edit(version, at, timedelta(days=days)))

    def ref(self, device: str, wid: str) -> str:
        """A chat's pseudonym."""
        return self._pseudonyms.ref("wassenger", device, wid)[0]

    # ── workers and kills ──

    def start(self, work: str = "run", **more: object) -> Worker:
        """A worker."""
        return self._warm.start(work, self.env, **more)

    def ambush(
        self,
        *,
        calls: int = 1,
        moment: str = "received",
        delay: float = 0,
        by: signal.Signals = signal.SIGKILL,
    ) -> Ambush:
        """Kills the worker that makes the so-manieth call about a chat from now on, at that moment of the call."""
        with self._lock:
            self._ambush = Ambush(moment, calls, delay, by)
            return self._ambush

    def _watch(self, moment: str, call: Call) -> None:
        ambush = self._ambush
        if ambush is None or call.wid is None or moment != ambush.moment:
            return
        with self._lock:
            if self._ambush is not ambush:
                return
            ambush.calls_left -= 1
            if ambush.calls_left > 0 or (owner := self._holder(call)) is None:
                return
            self._ambush = None
        time.sleep(ambush.delay)
        ambush.victim, ambush.call = owner, call
        os.kill(ambush.pid, ambush.signal)
        ambush.struck.set()

    def meet(self, ambush: Ambush) -> threading.Event:
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

    def _holder(self, call: Call) -> str | None:
        """Under whose lease a call runs."""
        query = text(
            "select lease_owner from jobs where chat_ref = :ref and state in ('leased', 'sent')"
            " order by id desc"
        )
        with self.engine.connect() as connection:
            return connection.execute(query, {"ref": self.ref(call.device, call.wid)}).scalars().first()

    def leased(self, pid: int | None = None) -> list[tuple[str, str]]:
        """The chats whose jobs are leased, by this process if given."""
        query = "select chat_ref, lease_owner from jobs where state in ('leased', 'sent') order by id"
        with self.engine.connect() as connection:
            rows = connection.execute(text(query)).all()
        refs = {row.chat_ref for row in rows if pid is None or f":{pid}:" in row.lease_owner}
        with self.world.lock:
            places = [(device, wid) for device, chats in self.world.chats.items() for wid in chats]
        return [place for place in places if self.ref(*place) in refs]

    def killed(self, victim: Worker) -> None:
        """Notes the kill of a worker, once it is dead, and whether it met a live lease."""
        assert victim.wait() == -signal.SIGKILL, f"it ended by itself:\n{victim.said()}"
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
                alive = self._still(alive)
                self.stock(60)
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

    # ── the end ──

    def settle(self) -> float:
        """Lets workers work until nothing is open, as they would go on doing; the seconds it took."""
        started = time.monotonic()
        while True:
            worker = self.start()
            assert worker.wait(PATIENCE) == 0, worker.said()
            self._requeue()
            if not self._unfinished() or time.monotonic() - started > PATIENCE:
                return time.monotonic() - started

    def _unfinished(self) -> bool:
        with self.engine.connect() as connection:
            waiting = connection.execute(
                text("select count(*) from jobs where state in ('queued', 'leased', 'sent')")
            ).scalar_one()
        return bool(waiting)

    def _requeue(self) -> None:
        """An operator looks at what went into quarantine after five crashes, and lets it go on."""
        with opened(self.env) as ledger, ledger.writing() as session:
            found = session.execute(text("select id from jobs where state = 'quarantined'")).scalars().all()
            for job in found:
                moves.move(
                    session, job, JobEvent.REQUEUE, now=ledger.now(), actor="ana", values={"crashes": 0}
                )

    def verdict(self) -> Verdict:
        """The judgement over all of it."""
        with self.engine.connect() as connection:
            verdict = check(connection, self.world, self.ref, edits=self.edits, holds=self.holds)
        if not verified(self.env):
            verdict.untrue.append("the audit does not verify")
        return verdict


@contextmanager
def arena(database_url: str, folder: Path, *, rng: random.Random) -> Iterator[Arena]:
    """An arena for the length of a block, over a fresh migrated database."""
    with serving(Outside()) as served, zygote(folder) as warm:
        made = Arena(served, warm, database_url, rng)
        try:
            yield made
        finally:
            served.watch = lambda _moment, _call: None
            made.engine.dispose()
