"""The dead man's switch: what it sends, where it refuses to send it, and what it never says."""

import logging
import socket
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from chat_hygiene.providers import http, ping
from chat_hygiene.settings import load_settings

PEM = Path(__file__).parent / "data" / "ping_example.pem"
SECRET = "0c5e7f42-a-secret-path"


class Switch:
    """A server that keeps what it was asked and by which TLS name."""

    def __init__(self) -> None:
        self.status, self.location = 200, None
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.tls_names: list[str | None] = []
        self.port = 0


@contextmanager
def served(*, tls: bool = False):
    switch = Switch()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            switch.asked.append((self.path, dict(self.headers)))
            self.send_response(switch.status)
            if switch.location:
                self.send_header("Location", switch.location)
            self.end_headers()
            self.wfile.write(b"heard")

        def log_message(self, *args) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address) -> None:
            pass  # a client that does not like the certificate hangs up

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
        context.sni_callback = lambda _socket, name, _context: switch.tls_names.append(name)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    switch.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield switch
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def switch():
    with served() as server:
        yield server


def given(url: str, *, private: bool = True):
    return load_settings(ping_url=url, allow_private_targets=private)


def tried(url: str, *addresses: str, private: bool = True):
    """Whether it was heard, and the warnings."""
    with capture_logs() as logs:
        heard = ping.ping(
            given(url, private=private),
            resolve=(lambda _host, _port: list(addresses)) if addresses else ping.look_up,
        )
    return heard, logs


def test_one_get_reaches_the_path_and_says_who_it_is(switch):
    heard, logs = tried(f"http://127.0.0.1:{switch.port}/{SECRET}?via=beat")
    assert (heard, logs) == (True, [])
    [(path, headers)] = switch.asked
    assert path == f"/{SECRET}?via=beat"
    assert headers["Host"] == f"127.0.0.1:{switch.port}"
    assert headers["User-Agent"] == "chat-hygiene"


def test_beginning_and_failing_are_said_at_paths_beneath_it(switch):
    settings = given(f"http://127.0.0.1:{switch.port}/{SECRET}/?rid=1")
    assert [ping.ping(settings, signal) for signal in ping.Signal] == [True] * 3
    assert [path for path, _ in switch.asked] == [
        f"/{SECRET}/start?rid=1",
        f"/{SECRET}/?rid=1",
        f"/{SECRET}/fail?rid=1",
    ]


def test_a_plain_switch_hears_of_success_alone(switch):
    settings = given(f"http://127.0.0.1:{switch.port}/{SECRET}").model_copy(update={"ping_style": "plain"})
    assert [ping.ping(settings, signal) for signal in ping.Signal] == [False, True, False]
    assert [path for path, _ in switch.asked] == [f"/{SECRET}"]


def test_without_an_address_nothing_is_sent():
    with capture_logs() as logs:
        assert ping.ping(load_settings()) is False
    assert logs == []


def test_the_connection_goes_to_the_address_that_was_checked_though_the_name_moves_on(switch):
    answers = iter([["127.0.0.1"], ["192.0.2.1"]])
    with capture_logs() as logs:
        assert ping.ping(
            given(f"http://ping.example:{switch.port}/{SECRET}"), resolve=lambda _host, _port: next(answers)
        ), logs
    assert switch.asked[0][1]["Host"] == f"ping.example:{switch.port}"
    assert next(answers) == ["192.0.2.1"], "the name was looked up a second time"


def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(switch):
    url = f"http://ping.example:{switch.port}/{SECRET}"
    heard, [warning] = tried(url, "127.0.0.1", private=False)
    assert not heard
    assert "ALLOW_PRIVATE_TARGETS" in warning["reason"]
    assert switch.asked == []


def test_plain_http_stays_on_this_machine_whatever_is_allowed():
    heard, [warning] = tried(f"http://ping.example:1/{SECRET}", "10.0.0.1", private=True)
    assert not heard
    assert "http:// is for loopback only" in warning["reason"]


def test_one_private_address_among_public_ones_is_enough_to_refuse():
    heard, [warning] = tried(f"https://ping.example/{SECRET}", "1.1.1.1", "10.0.0.1", private=False)
    assert not heard
    assert "not public" in warning["reason"]


def test_an_address_that_takes_no_connection_gives_way_to_the_next(switch):
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.2", 0))  # bound and not listening: it refuses
        heard, logs = tried(f"http://ping.example:{switch.port}/", "127.0.0.2", "127.0.0.1")
    assert heard, logs
    assert len(switch.asked) == 1


def test_tls_asks_for_the_name_and_holds_the_certificate_to_it(monkeypatch):
    with served(tls=True) as switch:
        trusting = ssl.create_default_context(cafile=PEM)
        monkeypatch.setattr(http, "ssl_context", lambda: trusting)
        assert tried(f"https://ping.example:{switch.port}/{SECRET}", "127.0.0.1") == (True, [])
        heard, [warning] = tried(f"https://other.example:{switch.port}/{SECRET}", "127.0.0.1")
    assert switch.tls_names == ["ping.example", "other.example"]
    assert not heard
    assert "certificate" in warning["reason"]
    assert len(switch.asked) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused():
    with served(tls=True) as switch:
        heard, [warning] = tried(f"https://ping.example:{switch.port}/{SECRET}", "127.0.0.1")
        assert not heard
        assert "certificate" in warning["reason"]
        assert switch.asked == []


@pytest.mark.parametrize("status", [302, 404, 500])
def test_only_2xx_counts_and_no_redirect_is_followed(switch, status):
    switch.status, switch.location = status, f"http://127.0.0.1:{switch.port}/elsewhere"
    heard, [warning] = tried(f"http://127.0.0.1:{switch.port}/{SECRET}")
    assert not heard
    assert warning["reason"] == f"it answered {status}"
    assert len(switch.asked) == 1


def test_the_environments_proxy_is_not_asked(switch, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert tried(f"http://127.0.0.1:{switch.port}/") == (True, [])


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(ping, "DEADLINE", ping.DEADLINE / 50)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        heard, [warning] = tried(f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}")
    assert not heard
    assert "no answer within" in warning["reason"]


def test_a_look_up_that_hangs_is_left_behind(monkeypatch):
    monkeypatch.setattr(ping, "DEADLINE", ping.DEADLINE / 50)
    release = threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        release.wait()
        return []

    with capture_logs() as logs:
        assert ping.ping(given("https://ping.example/"), resolve=hang) is False
    release.set()
    assert "no answer within" in logs[0]["reason"]


@pytest.mark.parametrize(
    "url",
    [
        f"http://ping.example/{SECRET}",
        f"ftp://127.0.0.1/{SECRET}",
        f"file:///{SECRET}",
        f"//127.0.0.1/{SECRET}",
        f"https:///{SECRET}",
        f"https://user:{SECRET}@ping.example/",
        f"https://ping.example\\@127.0.0.1/{SECRET}",
        f"https://ping.example:99999/{SECRET}",
        f"https://[::1/{SECRET}",
        f"https://pîng.example/{SECRET}",
        f"https://ping.example/ {SECRET}",
        f"https://ping.example/\r\nX: {SECRET}",
        f"https://.ping.example/{SECRET}",
        f"https://{'a' * 64}.example/{SECRET}",
        f"https://xn--\x7f/{SECRET}",
        SECRET,
    ],
)
def test_an_unusable_address_is_one_warning_without_its_secret(url, caplog):
    caplog.set_level(logging.DEBUG)
    heard, logs = tried(url, "192.0.2.1" if "http://" in url else "127.0.0.1")
    assert not heard
    assert [each["log_level"] for each in logs] == ["warning"]
    assert SECRET not in repr(logs)
    assert SECRET not in caplog.text


def test_no_failure_names_the_path(caplog):
    caplog.set_level(logging.DEBUG)
    for address in ("127.0.0.1", "not an address"):
        heard, logs = tried(f"http://127.0.0.1:1/{SECRET}", address)
        assert not heard
        assert SECRET not in repr(logs)
    assert SECRET not in caplog.text
