"""A ledger in which every field that can hold text holds something hostile, its web process, and one Chromium."""

import pytest
from sqlalchemy import text

from browser import chromium, hostile
from chat_hygiene.store.engine import create_engine
from chat_hygiene.store.engine import sessions as make_sessions
from support.site import People, served
from support.world import NOW, fill

MISSING = (
    "The pages were NOT looked at in a browser: there is no Chromium here (Debian: apt-get install chromium)"
)


def pytest_terminal_summary(terminalreporter):
    if any("no Chromium" in str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())):
        terminalreporter.write_line(f"WARNING: {MISSING}", yellow=True, bold=True)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Ana, an operator whose name is hostile too."""
    people = People(tmp_path_factory.mktemp("people") / "users")
    people.add(hostile.ACTOR, "operator")
    return people


@pytest.fixture(scope="module")
def site(sqlite_databases, tmp_path_factory, people):
    """At the instant NOW."""
    url = sqlite_databases.copy(tmp_path_factory.mktemp("ledger") / "ledger.db")
    engine = create_engine(url)
    fill(make_sessions(engine))
    hostile.spoil(engine)
    with served(url, now=NOW, web_users_file=people.file) as site:
        site.engine = engine
        yield site
    engine.dispose()


@pytest.fixture(scope="module")
def given(site):
    """What fills the paths and the forms: each is there in the ledger."""
    with site.engine.connect() as connection:
        policy = connection.scalar(text("select name from policies where id = 1"))
    return {"chat": "chat_2", "hold": "1", "job": "8", "run": "2", "policy": policy}


@pytest.fixture(scope="module")
def browser(site):
    """One for the module, and after the site: while it runs, no event loop can be run in this thread."""
    if chromium.found() is None:
        pytest.skip(MISSING)
    with chromium.started() as browser:
        yield browser
