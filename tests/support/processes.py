"""Real workers, beats and web processes, between a database, a server of the Redis protocol and an API."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, text

from support import inbox
from support.brokers import Broker
from support.command import COMMAND, apply, environment
from support.outside import Outside, serving

PATIENCE = 90
"""Seconds until what has to come counts as missed: many times what it takes on a quiet machine."""
CELERY = [sys.executable, "-m", "celery", "-A", "chat_hygiene.celery_app"]
# For what starts processes and is no matter of SQL: it costs seconds, and one engine is enough.
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Process:
    """A process that leads a group of its own, with what it says in a file."""

    def __init__(self, words: list[str], env: dict[str, str], folder: Path) -> None:
        self._file = folder / f"{len(list(folder.glob('*.log')))}.log"
        with self._file.open("wb") as told, self._file.with_suffix(".out").open("wb") as output:
            self._process = subprocess.Popen(
                words,
                env=env,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=told,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def tell(self, sent: signal.Signals, *, group: bool = False) -> None:
        (os.killpg if group else os.kill)(self.pid, sent)

    def ended(self) -> int:
        return self._process.wait(PATIENCE)

    def said(self) -> str:
        return self._file.read_text(errors="replace")

    def events(self) -> list[dict]:
        """Each line it said. A line that is no JSON fails the test."""
        return [json.loads(line) for line in self.said().splitlines()]

    def kill(self) -> None:
        if self.alive:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


def until(condition: Callable[[], object], what: str, *processes: Process) -> None:
    """Waits for what has to come, as long as these live."""
    end = time.monotonic() + PATIENCE
    while not condition():
        said = "\n".join(process.said() for process in processes)
        assert all(process.alive for process in processes), f"{what}: a process ended\n{said}"
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} s\n{said}"
        time.sleep(0.05)


class Deployment:
    """What is there beside the workers, and the workers that a test starts."""

    def __init__(
        self, env: dict[str, str], engine: Engine, redis: Broker, world: Outside, folder: Path
    ) -> None:
        self.env, self.redis, self.world, self._engine, self._folder = env, redis, world, engine, folder
        self._processes = ExitStack()

    def start(self, *words: str, **settings: str) -> Process:
        process = Process(list(words), self.env | settings, self._folder)
        self._processes.callback(process.kill)
        return process

    def beat(self, **settings: str) -> Process:
        return self.start(*CELERY, "beat", **settings)

    def worker(self, *words: str, **settings: str) -> Process:
        """One that is ready."""
        worker = self.start(*CELERY, "worker", *words, **settings)
        until(lambda: "the worker is ready" in worker.said(), "a worker starts", worker)
        return worker

    def web(self, **settings: str) -> tuple[Process, httpx.Client]:
        """The web process on a free port, and a client of it."""
        web = self.start(str(COMMAND), "web", CHAT_HYGIENE_WEB_PORT="0", **settings)
        until(lambda: "listens on" in web.said(), "the web process listens", web)
        url = re.search(r"http://[^; ]+", web.said())[0]
        return web, self._processes.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=30))

    def sql(self, statement: str) -> list[tuple]:
        with self._engine.begin() as connection:
            found = connection.execute(text(statement))
            return [tuple(row) for row in found] if found.returns_rows else []

    def states(self) -> dict[str, int]:
        return dict(self.sql("select state, count(*) from jobs group by state"))

    def beats(self) -> set[str]:
        """The parts that gave a sign of life."""
        signs = self.sql("select name from switches where name like 'heartbeat:%'")
        return {name.removeprefix("heartbeat:") for (name,) in signs}

    def make_due(self) -> None:
        """Stores the inbox's policies, and moves their next slot a few minutes into the past."""
        apply(self.env, inbox.POLICIES)
        sqlite = self._engine.dialect.name == "sqlite"
        past = (
            "strftime('%Y-%m-%dT%H:%M:%S', 'now', '-5 minutes') || '.000000Z'"
            if sqlite
            else "now() - interval '5 minutes'"
        )
        self.sql(f"update policies set next_run_at = {past} where next_run_at is not null")

    def close(self) -> None:
        self._processes.close()


@contextmanager
def deployed(
    database_url: str, engine: Engine, redis: Broker | None, folder: Path, **settings: str
) -> Iterator[Deployment]:
    """A deployment over an empty account, without any worker yet; what was started is killed at the end."""
    processes = folder / "processes"
    processes.mkdir()
    broker = {} if redis is None else {"CHAT_HYGIENE_BROKER_URL": redis.url}
    with serving(Outside()) as world:
        env = environment(
            database_url,
            world.url,
            CHAT_HYGIENE_INTERNAL_TICK_SECONDS="1",
            # Real ones: several processes share a test machine's cores, and a call given up would only muddy what is shown.
            CHAT_HYGIENE_READ_DEADLINE_SECONDS="15",
            CHAT_HYGIENE_DELETE_DEADLINE_SECONDS="30",
            CHAT_HYGIENE_LEASE_SECONDS="60",
            **broker,
            **settings,
        )
        deployment = Deployment(env, engine, redis, world, processes)
        try:
            yield deployment
        finally:
            deployment.close()
