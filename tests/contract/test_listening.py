"""Our servers: the end of an answer waits for nobody, and who waits for their own end hears of signals."""

import signal
import socket
import threading
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from chat_hygiene.listening import wait_for
from chat_hygiene.providers.fake.server import serve
from chat_hygiene.providers.fake.world import World
from chat_hygiene.settings import load_settings
from chat_hygiene.web.server import WebServer
from support.site import KEYS
from support.world import NOW


@contextmanager
def fake(_folder):
    with serve(World(now=lambda: NOW, token="t")) as server:
        yield server


@contextmanager
def web(folder):
    settings = load_settings(database_url=f"sqlite:///{folder}/none.db", web_port=0, **KEYS)
    with WebServer(settings) as server:
        yield server


@pytest.mark.parametrize("serving", [fake, web])
def test_what_is_accepted_sends_at_once(serving, tmp_path):
    with serving(tmp_path) as server:
        there = urlsplit(server.url)
        with socket.create_connection((there.hostname, there.port)) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            assert client.recv(9) == b"HTTP/1.1 "  # so it was accepted
            (accepted,) = server._server.server_state.connections
            end = accepted.transport.get_extra_info("socket")
            assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_fake_that_ends_while_it_accepts_leaves_no_connection_open():
    for _ in range(20):
        with serve(World(now=lambda: NOW, token="t")) as server, ExitStack() as stack:
            there = urlsplit(server.url)
            clients = [
                stack.enter_context(socket.create_connection((there.hostname, there.port), timeout=5))
                for _ in range(10)
            ]
            server.close()
            for client in clients:
                with suppress(ConnectionResetError):
                    assert client.recv(1) == b""


def test_a_signal_that_wakes_nobody_ends_the_wait_all_the_same():
    over, heard = threading.Event(), []
    serving = threading.Thread(target=lambda: heard.append(over.wait(20)))
    serving.start()
    before = signal.signal(signal.SIGUSR1, lambda *_: over.set())
    # To another thread, while the main one, which handles it, is blocked.
    sender = threading.Timer(0.2, lambda: signal.pthread_kill(serving.ident, signal.SIGUSR1))
    sender.start()
    try:
        wait_for(serving)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [True]
