"""A serving process tells a dead man's switch that it lives, and leaves nothing unsealed when it ends."""

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import text

from chat_hygiene.settings import load_settings
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


def test_the_switch_is_told_at_most_once_a_minute(visits, database_url):
    asked, url = visits
    now = [NOW]
    service = served(database_url, lambda: now[0], ping_url=url, allow_private_targets=True)
    for seconds in (0, 15, 59, 60, 75, 121):
        now[0] = NOW + timedelta(seconds=seconds)
        service.ping()
    assert asked == ["/secret-path"] * 3, "told at 0, 60 and 121 s"


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
