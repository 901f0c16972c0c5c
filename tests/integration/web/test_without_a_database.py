"""The process lives without its database, says so, and works as soon as it can."""

import socket

import pytest
from sqlalchemy import make_url, update
from structlog.testing import capture_logs

from chat_hygiene.core.errors import InvalidInputError, ListenError
from chat_hygiene.settings import load_settings
from chat_hygiene.store.tables import chats, devices
from chat_hygiene.web.server import WebServer
from support.databases import address, migrate
from support.site import KEYS, TOKEN, served
from support.world import NOW

EVENT = b'{"event": "number:session", "device": {"id": "d1"}}'


@pytest.fixture(params=["sqlite", "postgresql"])
def nowhere(request, tmp_path):
    """The URL of a database that is not there."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/not-yet/ledger.db"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return f"postgresql+psycopg://someone:a-password@127.0.0.1:{port}/elsewhere"


def test_health_tells_readiness_and_the_rest_refuse_and_no_answer_says_where_the_database_is(nowhere):
    with served(nowhere, now=NOW) as site:
        found = {path: site.get(path) for path in ("/healthz", "/readyz", "/metrics")}
        found["webhook"] = site.post(EVENT)
    assert {path: answer.status_code for path, answer in found.items()} == {
        "/healthz": 200,
        "/readyz": 503,
        "/metrics": 503,
        "webhook": 503,
    }
    says = {"name": "database", "ok": False, "says": "cannot be used; the log says why", "age_seconds": None}
    assert found["/healthz"].json() == {"ok": False, "parts": [says]}
    assert found["webhook"].json() == {"error": "Service Unavailable"}
    assert found["webhook"].headers["retry-after"]
    shown = "".join(answer.text for answer in found.values())
    assert not any(word in shown for word in ("elsewhere", "someone", "127.0.0.1", "not-yet", "Traceback"))


def test_it_works_as_soon_as_the_database_is_there(tmp_path):
    folder = tmp_path / "not-yet"
    with served(f"sqlite:///{folder}/ledger.db", now=NOW) as site:
        assert site.get("/healthz").json()["parts"][0]["ok"] is False
        folder.mkdir()
        migrate(f"sqlite:///{folder}/ledger.db")
        assert site.get("/healthz").json()["parts"][0]["ok"] is True
        assert site.post(EVENT).status_code == 204


def test_a_database_that_does_not_answer_in_time_is_not_waited_for(site, world, monkeypatch):
    monkeypatch.setattr("chat_hygiene.web.desk.PATIENCE", 0.2)
    with world.begin() as session:
        session.execute(update(chats).values(hinted_at=None))
        session.execute(update(devices).values(hinted_at=None))
        assert site.post(EVENT).status_code == 503
        assert site.get("/healthz").status_code == 200
    monkeypatch.undo()
    assert site.post(EVENT).status_code == 204


def test_another_schema_is_not_worked_with(postgres_url, site):
    del site
    with served(address(make_url(postgres_url)), now=NOW) as empty:
        assert empty.get("/readyz").status_code == 503
        assert empty.post(EVENT).status_code == 503


def test_without_a_key_it_does_not_start(postgres_url):
    settings = load_settings(database_url=postgres_url, web_port=0, webhook_token=TOKEN, _env_file=None)
    with pytest.raises(InvalidInputError, match="PSEUDONYM_KEY"):
        WebServer(settings)


def test_a_server_that_dies_is_told_at_once_and_to_whoever_waits(tmp_path, monkeypatch):
    async def die(_server):
        raise LookupError("a bug")

    monkeypatch.setattr("uvicorn.Server.main_loop", die)
    with capture_logs() as logs, served(f"sqlite:///{tmp_path}/a.db", now=NOW) as site:
        with pytest.raises(LookupError, match="a bug"):
            site.server.wait()
        [line] = [line for line in logs if line["log_level"] == "error"]
    assert "the web server ended by itself" in line["event"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
@pytest.mark.parametrize("file", [None, "missing"])
def test_more_than_this_machine_needs_a_users_file(tmp_path, host, file):
    given = {"web_host": host, "web_users_file": file and tmp_path / file}
    settings = load_settings(database_url=f"sqlite:///{tmp_path}/a.db", _env_file=None, **KEYS, **given)
    with pytest.raises(InvalidInputError, match="WEB_USERS_FILE"):
        WebServer(settings)


def test_with_a_users_file_it_may_listen_anywhere(tmp_path):
    file = tmp_path / "users"
    file.touch()
    with served(f"sqlite:///{tmp_path}/a.db", now=NOW, web_host="0.0.0.0", web_users_file=file) as site:
        assert site.server.url.startswith("http://0.0.0.0:")


def test_an_address_that_another_has_is_said_to_be_taken(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(ListenError, match="cannot listen"),
        served(f"sqlite:///{tmp_path}/a.db", now=NOW, web_port=other.getsockname()[1]),
    ):
        pass
