"""A small filled ledger, the same on both engines."""

import pytest

from support.world import fill


@pytest.fixture
def world(sessions):
    """Two numbers, a policy that ran, a keep-policy, and a job in every state."""
    fill(sessions)
    return sessions
