"""A backlog: claiming, starting, looking and showing with a great many due jobs, beside the same with few."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from threading import Thread

import httpx
from sqlalchemy import func, select

from bench.api import Account, Api, served
from bench.due import due, logged_away, settings
from bench.ground import ENGINES, Ground
from bench.measuring import ROUNDS, Row, expect, medians, ms
from chat_hygiene.settings import Settings
from chat_hygiene.store import jobs as store
from chat_hygiene.store.tables import jobs
from chat_hygiene.web.app import create_app
from chat_hygiene.wiring.ledger import Ledger
from chat_hygiene.wiring.serving import Service

NUMBERS, FEW = 20, 2_000
MANY, LARGE = 200_000, 1_000_000
DELAY = 0.05
BATCH, CLAIMS = 8, 400
CLAIM, FIRST = 0.005, 2.0
"""The limits: seconds of a claim, and to the first DELETE."""
PAGES = ("/", "/leaving", "/nothing", "/metrics")


def backlog(on: Ground) -> Iterator[Row]:
    """One ledger with few due jobs and one with a great many of each engine."""
    for engine in ENGINES:
        with ExitStack() as stack:
            stack.enter_context(logged_away())
            small, large = (_Side(on, engine, count, stack) for count in (FEW, LARGE if on.large else MANY))
            yield from _rows(engine, small, large)


class _Side:
    """A ledger with so many due jobs, and what is asked of it."""

    def __init__(self, on: Ground, engine: str, count: int, stack: ExitStack) -> None:
        self.count = count
        self.api: Api = stack.enter_context(served(Account(NUMBERS, count, delay=DELAY)))
        self.settings: Settings = settings(on.database(engine), self.api)
        self.ledger: Ledger = stack.enter_context(due(self.settings, self.api))
        expect(self.queued(), count, "jobs that are due")
        self.claims: list[float] = []
        self._service = Service(self.settings, stop=lambda: False)
        stack.callback(self._service.close)
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=create_app(self.settings, None)),
            base_url="http://127.0.0.1:8787",
        )

    def queued(self) -> int:
        with self.ledger.reading() as session:
            return session.execute(select(func.count()).where(jobs.c.state == "queued")).scalar_one()

    def claim(self) -> float:
        """The 99th percentile of many claims of a batch, in seconds; each is rolled back, so that the backlog stays."""
        taken = []
        context = self.ledger.context
        for number in range(CLAIMS):
            with context.sessions.begin() as session:
                begun = time.perf_counter()
                found = store.claim(
                    session,
                    1 + number % NUMBERS,
                    BATCH,
                    mine=store.of_policies(None),
                    now=context.clock(),
                    lease=context.settings.lease_seconds,
                    owner="bench",
                    actor="bench",
                )
                taken.append(time.perf_counter() - begun)
                expect(len(found), BATCH, "jobs claimed")
                session.rollback()
        self.claims += taken
        return statistics.quantiles(taken, n=100)[98]

    def start(self) -> float:
        """From the start of a worker to its first DELETE, at the server; it drains on for a moment and ends."""
        over = False
        service = Service(self.settings, stop=lambda: over)
        before = len(self.api.removed())
        begun = time.monotonic()
        thread = Thread(target=service.drain)
        thread.start()
        while (first := self.api.first_delete(begun)) is None:
            time.sleep(0.02)
            expect(time.monotonic() - begun < 60, True, "a DELETE within a minute")
        over = True
        thread.join()
        service.close()
        expect(len(self.api.removed()) > before, True, "something was deleted")
        return first - begun

    def tick(self) -> float:
        begun = time.perf_counter()
        wake = self._service.tick()
        taken = time.perf_counter() - begun
        expect(wake.drain, True, "the tick saw that jobs are due")
        return taken

    def page(self, path: str) -> float:
        begun = time.perf_counter()
        answer = self._loop.run_until_complete(self._client.get(path))
        taken = time.perf_counter() - begun
        expect(answer.status_code in {200, 503}, True, f"{path} answers")
        return taken


def _rows(engine: str, small: _Side, large: _Side) -> Iterator[Row]:
    sizes = f"{large.count:,} due jobs, {engine}"
    against = f"with {small.count:,} due jobs"
    few, many = medians(small.claim, large.claim)
    usual = [statistics.median(side.claims[CLAIMS:]) for side in (small, large)]  # without the warm-up
    yield Row(
        name=f"claim a batch of {BATCH} of {sizes}",
        target=f"≤ {ms(CLAIM)} at the 99th percentile",
        ratio=many / CLAIM,
        limit=1.0,
        product=f"{ms(many)} (median {ms(usual[1])})",
        reference=f"{ms(few)} (median {ms(usual[0])}) {against}",
        counted=f"{ROUNDS} × {CLAIMS} claims of {BATCH} jobs each",
    )
    few, many = medians(small.start, large.start)
    yield Row(
        name=f"from a worker's start to its first DELETE, {sizes}, API at {ms(DELAY)}",
        target=f"≤ {ms(FIRST)}",
        ratio=many / FIRST,
        limit=1.0,
        product=ms(many),
        reference=f"{ms(few)} {against}",
        counted="the DELETE as the server saw it",
    )
    sides = [("a tick", small.tick, large.tick)]
    sides += [(f"page {path}", partial(small.page, path), partial(large.page, path)) for path in PAGES]
    for name, few_side, many_side in sides:
        few, many = medians(few_side, many_side)
        yield Row(
            name=f"{name}, {sizes}",
            target="≤ 1.5 × the same with few (no slower, but for noise)",
            ratio=many / few,
            limit=1.5,
            product=ms(many),
            reference=f"{ms(few)} {against}",
            counted=f"{ROUNDS} rounds on each ledger",
        )
