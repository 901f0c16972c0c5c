"""Draining: how near it comes to what is permitted, and, where nothing is, to a bare loop of the same calls."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import httpx
from sqlalchemy import func, select, update

from bench.api import Account, Api, served
from bench.due import due, logged_away, settings
from bench.ground import ENGINES, Ground
from bench.measuring import ROUNDS, Row, expect, medians, ms, seconds
from chat_hygiene import wiring
from chat_hygiene.pipeline.pacing import CALLS_PER_JOB
from chat_hygiene.providers.connections import MAX_CONNECTIONS
from chat_hygiene.settings import Settings
from chat_hygiene.store import budgets
from chat_hygiene.store.tables import audit_events, jobs
from chat_hygiene.wiring.ledger import Ledger
from chat_hygiene.wiring.serving import Service

DELAY = 0.05
"""Of each answer of the API."""
WARM_UP, WINDOW = 6.0, 2.0
PACED = (("postgresql", 20, 20), ("postgresql", 100, 1), ("postgresql", 100, 5), ("sqlite", 100, 1))
"""Engine, numbers, calls a second that each permits."""
WRITTEN = "events a second that a drain writes"
"""In `Ground.shared`, by engine: what sealing has to keep up with."""


def paced(on: Ground) -> Iterator[Row]:
    """Calls made in a steady state beside those that the server permits, which it counts and enforces itself."""
    bare = _ceiling()
    for engine, numbers, rate in PACED:
        yield _paced(on, engine, numbers, rate, bare)


def _ceiling() -> float:
    """Calls a second of a bare loop over 20 numbers, which nothing paces: what this machine can do at all just now."""
    numbers, chats = 20, 300
    with served(Account(numbers, 2 * chats, delay=DELAY)) as api:
        asyncio.run(_bare(api, range(chats, 2 * chats)))
        return CALLS_PER_JOB * chats / seconds(lambda: asyncio.run(_bare(api, range(chats))))


def _paced(on: Ground, engine: str, numbers: int, rate: int, bare: float) -> Row:
    per_minute, window = 60 * rate, WINDOW
    lasts = WARM_UP + ROUNDS * window
    chats = int(numbers * (rate * (lasts + 10)) / CALLS_PER_JOB)
    # The product's bucket, and what a call may be late on its way from there.
    burst = budgets.burst(per_minute) + CALLS_PER_JOB
    with served(Account(numbers, chats, delay=DELAY, rate=rate, burst=burst)) as api:
        configured = settings(on.database(engine), api, per_minute=per_minute)
        with due(configured, api) as ledger, logged_away():
            begun = time.monotonic()
            with _working(configured, lambda: time.monotonic() >= begun + lasts) as service:
                drained = service.drain().worked
            _check(ledger, api, drained)
            first = begun + WARM_UP
            calls = [api.calls(first + turn * window, first + (turn + 1) * window) for turn in range(ROUNDS)]
            refused = sum(
                count for what, count in api.calls(0, time.monotonic()).items() if what.endswith("429")
            )
            expect(refused, 0, "calls that were answered 429")
    permitted = numbers * rate * window
    made = sorted(sum(each.values()) for each in calls)[ROUNDS // 2]
    return Row(
        name=f"drain, paced: {numbers} numbers × {rate}/s, API at {ms(DELAY)}, {engine}",
        target="≥ 95 % of the permitted rate, no 429",
        ratio=made / permitted,
        limit=0.95,
        at_least=True,
        product=f"{made / window:,.1f} calls/s",
        reference=f"{numbers * rate} calls/s permitted",
        counted=f"{drained:,} chats deleted, {CALLS_PER_JOB} calls each, 0 × 429",
        note=f"median of {ROUNDS} windows of {window:g} s in a steady state: the buckets begin empty, and {WARM_UP:g} s"
        f" of warm-up count for nothing; a bare httpx loop that nothing paces made {bare:,.0f} calls/s in this run",
    )


def unpaced(on: Ground) -> Iterator[Row]:
    """One process, and a budget that is never short, beside a bare httpx loop of the same calls side by side."""
    for numbers, each in ((1, 60), (20, 15)):
        for engine in ENGINES:
            yield _unpaced(on, engine, numbers, each)


def _unpaced(on: Ground, engine: str, numbers: int, each: int) -> Row:
    batch = numbers * each
    # The second half is the bare loop's: no chat is deleted twice.
    rounds = ROUNDS + 1
    with served(Account(numbers, 2 * rounds * batch, delay=DELAY)) as api:
        configured = settings(on.database(engine), api)
        with (
            due(configured, api, jobs_of=rounds * batch) as ledger,
            logged_away(),
            _working(configured, lambda: False) as service,
        ):
            turns, bare_turns = iter(range(rounds)), iter(range(rounds, 2 * rounds))
            written: list[float] = []

            def product() -> float:
                _only(ledger, next(turns), batch)
                before = _events(ledger)
                taken = seconds(lambda: expect(service.drain().worked, batch, "jobs drained"))
                written.append((_events(ledger) - before) / taken)
                return taken

            def bare() -> float:
                turn = next(bare_turns)
                wanted = range(turn * batch, (turn + 1) * batch)
                return seconds(partial(asyncio.run, _bare(api, wanted)))

            mine, reference = medians(product, bare)
            _check(ledger, api, rounds * batch, others=rounds * batch)
            on.shared[WRITTEN, engine] = max(written)
    return Row(
        name=f"drain, unpaced: {numbers} number{'s' if numbers > 1 else ''}, {batch} chats, API at {ms(DELAY)}, {engine}",
        target="≥ 70 % of a bare httpx loop of the same calls",
        ratio=reference / mine,
        limit=0.7,
        at_least=True,
        product=f"{CALLS_PER_JOB * batch / mine:,.0f} calls/s",
        reference=f"{CALLS_PER_JOB * batch / reference:,.0f} calls/s",
        counted=f"{rounds} × {batch} chats deleted by each side, {CALLS_PER_JOB} calls each",
        note=f"both with {MAX_CONNECTIONS} connections a number, in one process and one loop; the loop reads, deletes and reads"
        " back, and stores nothing",
    )


@contextmanager
def _working(configured: Settings, stop: Callable[[], bool]) -> Iterator[Service]:
    """A worker's service, open as it is between two wake-ups."""
    service = Service(configured, stop=stop)
    service.open()
    try:
        yield service
    finally:
        service.close()


async def _bare(api: Api, wanted: range) -> None:
    """GET, DELETE, GET of each chat, as quick as httpx can: a client a number, and each of its connections always at work."""
    account = api.account
    waiting = [
        iter([n for n in wanted if n % account.devices == device]) for device in range(account.devices)
    ]

    async def work(client: httpx.AsyncClient, device: int) -> None:
        for chat in waiting[device]:
            url = f"{api.url}/chat/{account.device(device)}/chats/{account.wid(chat)}"
            expect((await client.get(url)).json()["id"], account.wid(chat), "the chat that was read")
            deleted = await client.request("DELETE", url, json={"whatsapp": True})
            expect((deleted.status_code, (await client.get(url)).status_code), (200, 404), "a deletion")

    clients = [
        httpx.AsyncClient(
            trust_env=False,
            verify=False,
            headers={"Token": "token-of-the-bench"},
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
        )
        for _ in range(account.devices)
    ]
    await asyncio.gather(
        *(work(client, device) for device, client in enumerate(clients) for _ in range(MAX_CONNECTIONS))
    )
    for client in clients:
        await client.aclose()


def _only(ledger: Ledger, turn: int, batch: int) -> None:
    """Of all jobs only those of this turn are due, or ended."""
    now = ledger.now()
    with ledger.writing() as session:
        mine = jobs.c.chat_id.between(turn * batch + 1, (turn + 1) * batch)
        session.execute(
            update(jobs)
            .where(jobs.c.state == "queued")
            .values(next_attempt_at=now.replace(year=now.year + 1))
        )
        session.execute(update(jobs).where(mine).values(next_attempt_at=now))


def _events(ledger: Ledger) -> int:
    with ledger.reading() as session:
        return session.execute(select(func.count()).select_from(audit_events)).scalar_one()


def _check(ledger: Ledger, api: Api, drained: int, *, others: int = 0) -> None:
    """What the server removed is what the ledger says was deleted, chat by chat, and the audit holds."""
    with ledger.reading() as session:
        query = select(jobs.c.chat_id - 1).where(
            jobs.c.state == "deleted", jobs.c.whatsapp_state == "reported"
        )
        deleted = set(session.execute(query).scalars())
    expect(len(deleted), drained, "jobs that ended as deleted")
    removed = api.removed()
    expect(
        removed >= deleted and len(removed) == len(deleted) + others,
        True,
        "the server removed what the ledger says",
    )
    expect(wiring.verify_audit(ledger).ok, True, "the audit verifies")
