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
        )
        deployment = Deployment(env, engine, redis, world, folder)
        yield deployment
        deployment.close()
