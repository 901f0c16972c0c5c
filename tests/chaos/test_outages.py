"""What a worker stands on gives way: the database crashes, a line is spoiled, the disk is full."""

import signal
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from chaos.arena import Arena, arena
from chaos.conftest import FULL, ONE_ENGINE, picked
from chaos.plant import plant
from chat_hygiene.core.errors import Exit
from support.databases import PostgresDatabases, address
from support.proxies import Proxy, Spoil, proxy
from support.servers import Postgres, postgres

ENDS = {0, Exit.UNREACHABLE, -signal.SIGKILL}
"""How a run may end while something that it needs is away."""

SPOILS = {
    "latency": Spoil(latency=0.05),
    "stall": Spoil(stall=True),
    "answers lost": Spoil(deaf=True),
    "requests lost": Spoil(mute=True),
    "reset": Spoil(reset_after=20_000),
    "cut": Spoil(cut_after=5_000),
    "refused": Spoil(refuse=True),
    "small pieces": Spoil(piece=11),
}
SLICE = ("answers lost",)


@pytest.fixture(scope="module")
def crashing() -> Iterator[Postgres]:
    """A PostgreSQL on loopback that tests may crash."""
    with postgres(tcp=True) as server:
        yield server


@pytest.fixture
def crashing_url(crashing: Postgres) -> Iterator[str]:
    """A fresh migrated database on it."""
    with PostgresDatabases(crashing.url).copy() as url:
        yield url


def under_faults(ground: Arena, line: Proxy, spoil: Spoil, rounds: int) -> None:
    """Runs that meet the fault after some calls; it is over after three seconds at the latest."""
    for _ in range(rounds):
        ground.stock(30)
        worker, goal = ground.start(), len(ground.world.calls) + ground.rng.randint(4, 40)
        ground.wait(lambda goal=goal, worker=worker: len(ground.world.calls) >= goal or worker.ended.is_set())
        line.spoil(spoil)
        worker.ended.wait(3)
        line.heal()
        assert worker.wait() in ENDS, worker.said()


@ONE_ENGINE
@pytest.mark.parametrize("spoil", picked(SPOILS, SLICE))
def test_a_spoiled_line_to_the_api_loses_doubles_and_wrongs_nothing(spoil, ground, size, judged):
    url = make_url(ground.world.url)
    with proxy((url.host, url.port)) as line:
        ground.env["CHAT_HYGIENE_API_URL"] = url.set(port=line.port).render_as_string()
        under_faults(ground, line, SPOILS[spoil], size(1, 4))
        ground.env["CHAT_HYGIENE_API_URL"] = ground.world.url
        judged(f"line to the API: {spoil}", ground, ground.settle())


@pytest.mark.parametrize("spoil", picked(SPOILS, SLICE))
def test_a_spoiled_line_to_the_database_loses_doubles_and_wrongs_nothing(
    spoil, crashing, crashing_url, tmp_path, rng, size, judged
):
    with proxy(("127.0.0.1", crashing.port)) as line, arena(crashing_url, tmp_path, rng=rng) as ground:
        ground.env["CHAT_HYGIENE_DATABASE_URL"] = address(make_url(crashing_url).set(port=line.port))
        under_faults(ground, line, SPOILS[spoil], size(1, 4))
        ground.env["CHAT_HYGIENE_DATABASE_URL"] = crashing_url
        judged(f"line to PostgreSQL: {spoil}", ground, ground.settle())


@pytest.mark.alone
def test_postgresql_crashes_under_celery_and_all_work_is_done(
    crashing, crashing_url, tmp_path, rng, size, judged
):
    with plant(crashing_url, tmp_path, rng) as ground:
        ground.stock(60)
        ground.make_due()
        ground.open()
        for _ in range(size(2, 12)):
            # A crash may meet the run's evaluation, or come between the syncs and the run.
            ground.deleted(rng.randint(1, 8), next_slot=True)
            crashing.restart()
            ground.engine.dispose()
            if len(ground.doomed()) < 30:
                ground.stock(60)
                ground.make_due()
        recovery = ground.settle()
        judged("PostgreSQL crashes and comes back (Celery)", ground, recovery)
        assert recovery <= 60 or not FULL, f"recovery took {recovery:.0f} s"


def test_a_full_disk_stores_no_intent_and_sends_no_delete(sqlite_databases, tmp_path, rng, size, judged):
    url = sqlite_databases.copy(tmp_path / "ledger.db")
    full = 0
    with arena(url, tmp_path, rng=rng) as ground:
        for _ in range(size(4, 30)):
            ground.stock(60)
            worker = ground.start(pages=rng.randint(0, 40))
            assert worker.wait() in ENDS, worker.said()
            full += "the disk is full" in worker.said()
        assert full, "no disk was full: the test proves nothing"
        judged("SQLite's disk is full", ground, ground.settle())
