"""A deployment without its workers: a database of each engine, an empty Redis database, and an API of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from support.brokers import Broker
from support.command import environment
from support.outside import Outside, serving
from support.processes import Deployment


@pytest.fixture
def deployment(database_url: str, engine: Engine, redis: Broker, tmp_path: Path) -> Iterator[Deployment]:
    folder = tmp_path / "processes"
    folder.mkdir()
    with serving(Outside()) as world:
        env = environment(
            database_url,
            world.url,
            CHAT_HYGIENE_BROKER_URL=redis.url,
            CHAT_HYGIENE_INTERNAL_TICK_SECONDS="1",
            # Real ones: several processes share a test machine's cores, and a call given up would only muddy what is shown.
            CHAT_HYGIENE_READ_DEADLINE_SECONDS="15",
            CHAT_HYGIENE_DELETE_DEADLINE_SECONDS="30",
            CHAT_HYGIENE_LEASE_SECONDS="60",
        )
        deployment = Deployment(env, engine, redis, world, folder)
        yield deployment
        deployment.close()
