"""The web process over a small filled ledger: once on each engine, or on SQLite alone where no SQL is at stake."""

import pytest

from chat_hygiene.store.engine import create_engine
from chat_hygiene.store.engine import sessions as make_sessions
from support.site import People, served
from support.world import NOW, fill


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """A machine that is busy with other tests is no database that does not answer."""
    monkeypatch.setattr("chat_hygiene.web.desk.PATIENCE", 120.0)


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


@pytest.fixture
def browser(site):
    """Somebody on this machine: there is no users file."""
    with site.browser() as browser:
        yield browser


@pytest.fixture
def time():
    """The instant of `house`, in a list, so that a test moves it."""
    return [NOW]


@pytest.fixture(scope="module")
def hashed(tmp_path_factory):
    """Ana, an operator, and Ben, a reader; their tokens take a while to hash."""
    people = People(tmp_path_factory.mktemp("people") / "users")
    people.add("ana", "operator")
    people.add("ben", "reader")
    return people


@pytest.fixture
def people(hashed, tmp_path):
    """A users file of this test's own with these two."""
    own = People(tmp_path / "users")
    own.tokens, own._lines = dict(hashed.tokens), dict(hashed._lines)
    own._write()
    return own


@pytest.fixture
def house(sqlite_databases, tmp_path, people, time, more):
    """The web process with people who sign in, on SQLite; `.sessions` is the filled ledger."""
    url = sqlite_databases.copy(tmp_path / "ledger.db")
    engine = create_engine(url)
    fill(make_sessions(engine))
    with served(url, now=NOW, clock=lambda: time[0], web_users_file=people.file, **more) as site:
        site.sessions = make_sessions(engine)
        yield site
    engine.dispose()


@pytest.fixture
def ana(house, people):
    """The operator, signed in."""
    with house.browser() as browser:
        assert browser.sign_in("ana", people.tokens["ana"]).status_code == 303
        yield browser


@pytest.fixture
def ben(house, people):
    """The reader, signed in."""
    with house.browser() as browser:
        assert browser.sign_in("ben", people.tokens["ben"]).status_code == 303
        yield browser
