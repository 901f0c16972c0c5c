"""A serving process tells a dead man's switch that it lives, and leaves nothing unsealed when it ends."""

import socket
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import delete, insert, text

from chat_hygiene.settings import load_settings
from chat_hygiene.store.tables import switches
from chat_hygiene.wiring.health import SILENCE
from chat_hygiene.wiring.serving import Service
from integration.wiring.conftest import KEYS
from support.world import NOW


@pytest.fixture
def visits():
    """A switch on loopback, and the paths that were asked of it."""
    asked = []

    class Switch(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Switch) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield asked, f"http://127.0.0.1:{server.server_port}/secret-path"
        server.shutdown()
        thread.join()


def served(database_url, clock, **more):
    settings = load_settings(database_url=database_url, actor="ana", _env_file=None, **KEYS, **more)
    return Service(settings, stop=lambda: False, clock=clock)


class DeafError(Exception):
    """What a pass ends with that cannot reach the database."""


def test_the_switch_is_told_of_one_pass_a_minute_and_of_a_failure_that_lasts(visits, engine, database_url):
    asked, url = visits
    now = [NOW]
    service = served(database_url, lambda: now[0], ping_url=url, allow_private_targets=True)

    def passed(seconds: float, *, well: bool = True) -> list[str]:
        now[0] = NOW + timedelta(seconds=seconds)
        with engine.begin() as connection:
            connection.execute(delete(switches).where(switches.c.name.startswith("heartbeat:")))
            beats = [{"name": f"heartbeat:{part}", "at": now[0]} for part in SILENCE]
            connection.execute(insert(switches), beats if well else beats[1:])
        asked.clear()
        with service.watching():
            pass
        return [path.removeprefix("/secret-path") for path in asked]

    assert passed(0) == ["/start", ""]
    assert passed(15) == passed(59) == []
    assert passed(60) == ["/start", ""]
    assert passed(121, well=False) == passed(182, well=False) == ["/start"], "it may be over in a moment"
    assert passed(243, well=False) == ["/start", "/fail"]
    assert passed(304) == ["/start", ""]
    with pytest.raises(DeafError), service.watching():
        raise DeafError
    for seconds, heard in ((365, ["/start"]), (426, ["/start"]), (487, ["/start", "/fail"])):
        now[0] = NOW + timedelta(seconds=seconds)
        asked.clear()
        with pytest.raises(DeafError), service.watching():
            raise DeafError
        assert [path.removeprefix("/secret-path") for path in asked] == heard
    service.close()


def test_work_does_not_wait_for_a_switch_that_says_nothing(database_url):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        service = served(database_url, lambda: NOW, ping_url=url, allow_private_targets=True)
        with pytest.raises(DeafError), service.watching():
            asking = "dead-man" in {each.name for each in threading.enumerate()}
            silent.accept()[0].close()
            raise DeafError
    assert asking, "it had been asked, or given up, before the work began"


def test_of_many_processes_one_at_a_time_looks_at_debts(database_url):
    now = [NOW]
    first, second = (
        served(database_url, lambda: now[0], api_token="token", api_url="http://127.0.0.1:9/v1")
        for _ in range(2)
    )
    together = [each.look_at_debts() for each in (first, second, first)]
    assert [each is None for each in together] == [False, True, True]
    now[0] += timedelta(seconds=60)
    assert second.look_at_debts() is not None
    assert first.reconcile().leases.released == 0, "it waits for no debt"
    first.close()
    second.close()


def test_a_service_that_ends_leaves_no_event_unsealed(database_url, engine):
    now = [NOW]
    service = served(database_url, lambda: now[0])
    service.tick()
    now[0] = NOW + timedelta(hours=1)
    service.tick()  # late, and that is an event
    service.close()
    with engine.connect() as connection:
        events = connection.execute(text("select count(*) from audit_events")).scalar_one()
        seals = connection.execute(text("select count(*) from audit_seals")).scalar_one()
    assert events == seals > 0
