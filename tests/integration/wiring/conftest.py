"""An open ledger on each engine, whose clock stands still unless a test moves it."""

import pytest

from chat_hygiene.settings import load_settings
from chat_hygiene.wiring import open_ledger
from support.world import NOW

KEYS = {
    "pseudonym_key": "pseudonym-key-of-the-tests-0123456789",
    "audit_key": "audit-key-of-the-tests-0123456789",
}


@pytest.fixture
def ledger(database_url):
    """At the instant NOW."""
    settings = load_settings(database_url=database_url, actor="ana", _env_file=None, **KEYS)
    with open_ledger(settings, clock=lambda: NOW) as ledger:
        yield ledger
