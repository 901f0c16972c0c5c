"""A deployment without its workers: a database of each engine, an empty Redis database, and an API of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from support.brokers import Broker
from support.processes import Deployment, deployed


@pytest.fixture
def deployment(database_url: str, engine: Engine, redis: Broker, tmp_path: Path) -> Iterator[Deployment]:
    with deployed(database_url, engine, redis, tmp_path) as deployment:
        yield deployment
