"""One walk through a device: its status, the chats that a webhook named, then its listing, page by page in flat memory.

A complete sweep reads every page; only then are chats judged missing. An incremental one goes down the activity order
until it is past the last sync. A bad page ends the walk and marks nothing: what was stored stays, and a sweep goes on
at its page next time. Whatever a walk finds, it deletes nothing and queues nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from chat_hygiene.core.errors import (
    BadAnswerError,
    NotFoundError,
    RefusedError,
    UnknownOutcomeError,
)
from chat_hygiene.core.events import Event
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.pipeline.asking import Requests
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.turns import LostError, Turns
from chat_hygiene.providers.base import Page, Reader
from chat_hygiene.providers.wassenger_parse import retention
from chat_hygiene.store import audit, breakers, chats, devices, hints, pages, sweeps
from chat_hygiene.store.chats import Account
from chat_hygiene.store.devices import Device
from chat_hygiene.store.engine import reading

# Activity order and our last read disagree by the provider's delay in showing a message.
OVERLAP = timedelta(minutes=10)

Progress = Callable[[str, int], None]
"""Called with the device's id and the chats read so far."""


class Walk:
    """One device's walk, begun at `began`, with its counts. `device` is its row as it was when the walk began."""

    def __init__(
        self,
        context: Context,
        reader: Reader,
        device: Device,
        turns: Turns,
        *,
        began: datetime,
        progress: Progress | None = None,
    ) -> None:
        self._context, self._reader, self._turns = context, reader, turns
        self._requests = Requests(context, reader, device, turns)
        self.began, self._progress = began, progress
        self._account = Account(reader.name, device.device, device.id)
        self.device = device
        self.reads: Literal["everything", "changes"] | None = None
        """Which of the two it came to; None: neither."""
        self.seen = self.new = self.changed = self.missing = 0

    async def status(self) -> None:
        """Reads the device itself, and takes its row anew. It opens a walk, so it may begin however late that is."""
        read_at, facts = await self._requests.ask(
            partial(self._reader.device, self.device.device), overtime=True
        )

        def store() -> Device:
            with self._context.sessions.begin() as session:
                ids = devices.record(session, self._reader.name, [facts], now=read_at)
                (row,) = devices.load(session, ids)
            return row

        self.device = await asyncio.to_thread(store)

    async def hinted(self, most: int) -> bool:
        """Reads up to `most` chats that a webhook named, in half of the walk's time. True: some are left.

        A chat that is not there, or cannot be read, loses its hint and nothing else: the sweeps judge what is missing.
        One whose read fails again and again ends the reading of hints for now: the sweep must not wait behind it.
        """

        def take() -> list[tuple[int, str, datetime]]:
            with reading(self._context.sessions) as session:
                return hints.take(session, self.device.id, most + 1)

        waiting = await asyncio.to_thread(take)
        for number, (chat_id, wid, hinted_at) in enumerate(waiting[:most], 1):
            if self._turns.half_over:
                return True
            found: tuple[ChatFacts, ...] = ()
            read_at, failing = self.began, False
            try:
                read_at, facts = await self._requests.ask(partial(self._reader.chat, self.device.device, wid))
                found = (facts,)
            except (NotFoundError, RefusedError, BadAnswerError):
                pass
            except UnknownOutcomeError:
                # Its device answered just now; if the line is at fault after all, the sweep meets it too.
                failing = True
            await asyncio.to_thread(
                self._store, found, read_at, self.device.sweep, followed=(chat_id, hinted_at)
            )
            if failing:
                return len(waiting) > number
        return len(waiting) > most

    async def complete(self) -> None:
        """Every page; then what two sweeps did not show is missing."""
        self.reads = "everything"
        # An older sweep would be stale for deleting when it is complete: law 1 counts from its beginning. Anything
        # shorter is too short: 100,000 chats at half of 60 requests a minute take 34 minutes.
        since = self.began - self._context.settings.freshness_seconds

        def begin() -> tuple[int, int]:
            with self._context.sessions.begin() as session:
                return sweeps.open_sweep(session, self.device.id, now=self.began, resume_since=since)

        number, reached = await asyncio.to_thread(begin)
        # One page is read again: chats move while nobody reads.
        # Not before its own page is read does a slice end: one that only read that overlap would never get on.
        async with aclosing(self._requests.pages(max(0, reached - 1), reached=reached)) as listing:
            async for page, read_at, answer in listing:
                await self._keep(answer, read_at, number, reaches=page + 1)
        await asyncio.to_thread(self._close, number)

    async def incremental(self) -> None:
        """Down the activity order until a page is wholly older than the last sync."""
        self.reads = "changes"
        last = self.device.last_sync_at
        assert last is not None  # noqa: S101 - a device without one lacks a complete sync
        async with aclosing(self._requests.pages(until=last - OVERLAP)) as listing:
            async for _, read_at, answer in listing:
                await self._keep(answer, read_at, self.device.sweep)

        def done() -> bool:
            with self._context.sessions.begin() as session:
                return sweeps.partly_synced(session, self.device.id, self._turns.owner, at=self.began)

        if not await asyncio.to_thread(done):
            raise LostError

    async def _keep(self, page: Page, read_at: datetime, sweep: int, *, reaches: int | None = None) -> None:
        """Stores a page; `reaches`, of a sweep, is the one that comes after it."""
        stored = await asyncio.to_thread(self._store, page.chats, read_at, sweep, page_reached=reaches)
        self.seen += stored.seen
        self.new += stored.new
        self.changed += stored.changed
        if self._progress:
            self._progress(self.device.device, self.seen)

    def _store(
        self,
        page: Sequence[ChatFacts],
        read_at: datetime,
        sweep: int,
        *,
        page_reached: int | None = None,
        followed: tuple[int, datetime] | None = None,
    ) -> pages.Stored:
        context, device_id = self._context, self.device.id
        with context.sessions.begin() as session:
            stored = pages.store_page(
                session,
                self._account,
                page,
                pseudonyms=context.keys.pseudonyms,
                read_at=read_at,
                sweep=sweep,
                actor=context.actor,
            )
            if followed is not None:
                hints.done(session, *followed)
            if page or followed is None:
                breakers.good_call(session, device_id, now=read_at, actor=context.actor)
            # Last, as everywhere: chats are locked before their device.
            if not sweeps.renew(
                session, device_id, self._turns.owner, until=self._turns.lease_until, page=page_reached
            ):
                raise LostError
        return stored

    def _close(self, number: int) -> None:
        context, now = self._context, self._context.clock()
        with context.sessions.begin() as session:
            self.missing = chats.mark_missing(
                session,
                self._account,
                number,
                vendor_keeps=_vendor_keeps(self.device),
                now=now,
                actor=context.actor,
            )
            counts = {"seen": self.seen, "new": self.new, "changed": self.changed, "missing": self.missing}
            audit.append(
                session,
                Event.SYNC_COMPLETED,
                at=now,
                actor=context.actor,
                device=self.device.device,
                detail=counts,
            )
            if not sweeps.close_sweep(session, self.device.id, self._turns.owner, now=now):
                raise LostError


def _vendor_keeps(device: Device) -> timedelta | None:
    try:
        return retention(device.retention_policy)
    except ValueError:  # `doctor` says so
        return None
