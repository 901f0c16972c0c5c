"""The web process over a small filled ledger, once on each engine."""

import pytest

from support.site import served
from support.world import NOW, fill


@pytest.fixture
def more():
    """Settings beyond the usual; a test parametrizes it."""
    return {}


@pytest.fixture
def world(sessions):
    """The filled ledger."""
    fill(sessions)
    return sessions


@pytest.fixture
def site(world, database_url, more):
    """At the instant NOW."""
    with served(database_url, now=NOW, **more) as site:
        yield site
