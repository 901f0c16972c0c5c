"""What every scenario has: an API server with a log, a database, an ambush, and the judge.

A kill strikes while a call is out: the server's own thread, holding the request, looks up in SQL whose lease the call
runs under and kills that process. So almost every kill meets a live lease, however fast or slow the machine is.
"""

import os
import random
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import sqlalchemy
from sqlalchemy import text

from chaos.ambush import Ambush, in_transaction, stands_still
from chaos.ledger_check import Edit, Hold, Verdict, check
from chat_hygiene.core.states import JobEvent
from chat_hygiene.store import moves
from chat_hygiene.store.tables import holds
from support import inbox
from support.command import apply, environment, opened, verified
from support.outside import Call, Outside

POLICY = "resolved-30d"
PATIENCE = 120
"""Seconds after which work that goes on is taken for work that never ends."""


class Scene:
    """One world and one database; who works on them is another's matter."""

    def __init__(self, world: Outside, database_url: str, rng: random.Random, **settings: str) -> None:
        """`settings` go to the workers."""
        self.world, self.rng = world, rng
        self.env = environment(database_url, world.url, CHAT_HYGIENE_PAGE_SIZE="1000", **settings)
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

    def _maybe_message(self, call: Call) -> None:
        """Before one in thirty fresh reads the customer writes, too late for any sync."""
        if call.method != "GET" or call.wid is None or self.rng.random() > 1 / 30:
            return
        if not any(each.wid == call.wid for each in self.world.deletes()):
            self.message((call.device, call.wid))

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

    # ── the ambush ──

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
        if moment == "received":
            self._maybe_message(call)
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
        try:
            os.kill(ambush.pid, ambush.signal)
        except ProcessLookupError:
            # A call of the one before, which is dead: this ambush waits for a living one.
            self._ambush = ambush
            return
        while ambush.signal is signal.SIGSTOP and (
            not stands_still(ambush.pid) or in_transaction(self.engine)
        ):
            # Frozen in a transaction it would stop everybody else too: that is another scenario.
            os.kill(ambush.pid, signal.SIGCONT)
            time.sleep(0.005)
            os.kill(ambush.pid, signal.SIGSTOP)
            time.sleep(0.005)
        ambush.struck.set()

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

    # ── the end ──

    def unfinished(self) -> bool:
        """Whether a job is still to be worked."""
        with self.engine.connect() as connection:
            waiting = connection.execute(
                text("select count(*) from jobs where state in ('queued', 'leased', 'sent')")
            ).scalar_one()
        return bool(waiting)

    def requeue(self) -> None:
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
