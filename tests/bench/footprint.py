"""The memory of embedded `up`: one process that syncs, evaluates, drains, seals and shows, however much there is."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, update

from bench.api import Account, Api, served
from bench.due import POLICIES, settings
from bench.ground import Ground
from bench.measuring import Row, expect, resident
from chat_hygiene import wiring
from chat_hygiene.settings import PREFIX, Settings
from chat_hygiene.store.tables import chats, jobs, policies
from chat_hygiene.wiring.ledger import Ledger
from chat_policies import load

COMMAND = Path(sys.executable).with_name("chat-hygiene")
NUMBERS = 10
SMALL, LARGE = (60_000, 20), (1_000_000, 10)
"""Chats, and of how many one is due."""
MOST = 150
"""MiB."""
GROWTH = 20
"""MiB that it may grow between a tenth of the work and all of it."""
PATIENCE = 3 * 3600.0


def footprint(on: Ground) -> Iterator[Row]:
    """A first sync of an account, a run over it and its drain, by `up` on SQLite; its resident memory is read all the while."""
    many, every = LARGE if on.large else SMALL
    with served(Account(NUMBERS, many, due_every=every)) as api:
        configured = settings(on.database("sqlite"), api)
        with wiring.open_ledger(configured) as ledger:
            _make_due(ledger)
            begun = time.monotonic()
            with _up(configured, on.folder) as process:
                idle = resident(process.pid)
                sampled = list(_followed(ledger, process, many, many // every))
                peak = resident(process.pid, "VmHWM")
            taken = time.monotonic() - begun
            _check(ledger, api, many, every)
    early = max(held for done, held in sampled if done <= 0.1)
    size = f"{many:,} chats synced and {many // every:,} jobs drained"
    counted = f"{many:,} chats, {many // every:,} deleted, each the one that the rule names; {taken:,.0f} s"
    yield Row(
        name=f"peak resident memory of embedded up, {size}",
        target=f"≤ {MOST} MiB",
        ratio=peak / MOST,
        limit=1.0,
        product=f"{peak:,.0f} MiB",
        reference=f"{idle:,.0f} MiB once it was up, before its first sync",
        counted=counted,
    )
    yield Row(
        name=f"its growth from a tenth of that on, {size}",
        target=f"≤ {GROWTH} MiB",
        ratio=max(peak - early, 0) / GROWTH,
        limit=1.0,
        product=f"{peak:,.0f} MiB at its peak",
        reference=f"{early:,.0f} MiB at a tenth of the work",
        counted=counted,
    )


def _make_due(ledger: Ledger) -> None:
    wiring.apply(ledger, load(POLICIES, "policies.yaml"), now=ledger.now())
    with ledger.writing() as session:
        scheduled = update(policies).where(policies.c.next_run_at.is_not(None))
        session.execute(scheduled.values(next_run_at=ledger.now() - timedelta(minutes=5)))


@contextmanager
def _up(configured: Settings, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    given = {
        "DATABASE_URL": configured.database_url.get_secret_value(),
        "API_URL": configured.api_url,
        "API_TOKEN": "token-of-the-bench",
        "PSEUDONYM_KEY": "p" * 32,
        "AUDIT_KEY": "a" * 32,
        "REQUESTS_PER_MINUTE": str(configured.requests_per_minute),
        "WEB_PORT": "0",
        "INTERNAL_TICK_SECONDS": "1",
    }
    env = kept | {PREFIX + name: value for name, value in given.items()}
    said = folder / "up.log"
    with (
        said.open("wb") as told,
        subprocess.Popen([COMMAND, "up"], env=env, cwd=folder, stdout=told, stderr=told) as process,
    ):
        try:
            while b"is up" not in said.read_bytes():
                expect(process.poll(), None, "up runs")
                time.sleep(0.1)
            yield process
        finally:
            process.terminate()
            process.wait(60)


def _followed(
    ledger: Ledger, process: subprocess.Popen[bytes], many: int, due: int
) -> Iterator[tuple[float, float]]:
    """How much of the work is done, and the memory then, until all of it is."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        expect(process.poll(), None, "up runs")
        with ledger.reading() as session:
            synced = session.execute(select(func.count()).select_from(chats)).scalar_one()
            ended = session.execute(select(func.count()).where(jobs.c.state == "deleted")).scalar_one()
        yield (synced / many + ended / due) / 2, resident(process.pid)
        if ended == due:
            return
        time.sleep(0.5)
    raise AssertionError(f"{synced} chats synced and {ended} jobs drained by now")


def _check(ledger: Ledger, api: Api, many: int, every: int) -> None:
    expect(api.removed(), set(range(0, many, every)), "chats that the server removed")
    with ledger.reading() as session:
        expect(session.execute(select(func.count()).select_from(chats)).scalar_one(), many, "chats stored")
        states = dict(session.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all())
    expect(states, {"deleted": many // every}, "jobs")
    expect(wiring.verify_audit(ledger).ok, True, "the audit verifies")
