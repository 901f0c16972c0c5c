"""The proxy itself: each way to spoil a connection is seen from a client's side."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.proxies import Proxy, Spoil, proxy


@pytest.fixture
def line() -> Iterator[Proxy]:
    """A proxy to a server that says back what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                while data := connection.recv(1000):
                    connection.sendall(data)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        with proxy(server.getsockname()) as line:
            yield line
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def client(line: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", line.port), timeout=10) as connection:
        yield connection


def echo(connection: socket.socket, text: bytes) -> bytes:
    """What comes back until the connection ends or all has come."""
    connection.sendall(text)
    heard = b""
    while len(heard) < len(text) and (data := connection.recv(100)):
        heard += data
    return heard


def test_an_unspoiled_connection_passes_everything(line):
    with client(line) as connection:
        assert echo(connection, b"hello") == b"hello"


@pytest.mark.parametrize("spoil", [Spoil(stall=True), Spoil(deaf=True), Spoil(mute=True)])
def test_a_silent_connection_stays_open_and_is_reset_when_healed(line, spoil):
    with client(line) as connection:
        assert echo(connection, b"hello") == b"hello"
        line.spoil(spoil)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            echo(connection, b"hello")
        connection.settimeout(10)
        line.heal()
        with pytest.raises(ConnectionResetError):
            connection.recv(10)
    with client(line) as connection:
        assert echo(connection, b"hello") == b"hello"


def test_a_connection_is_cut_after_some_bytes(line):
    line.script(lambda number: Spoil(cut_after=3) if number == 1 else Spoil())
    with client(line) as connection:
        assert len(echo(connection, b"hello")) <= 3
    with client(line) as connection:
        assert echo(connection, b"hello") == b"hello"


@pytest.mark.parametrize("spoil", [Spoil(reset_after=3), Spoil(refuse=True)])
def test_a_connection_is_reset(line, spoil):
    line.spoil(spoil)
    with pytest.raises(ConnectionResetError), client(line) as connection:
        while echo(connection, b"hello"):
            pass
        connection.recv(10)


def test_open_connections_are_severed_and_new_ones_pass(line):
    with client(line) as connection:
        assert echo(connection, b"hello") == b"hello"
        line.sever()
        with pytest.raises(ConnectionResetError):
            connection.recv(10)
    with client(line) as connection:
        assert echo(connection, b"hello") == b"hello"


def test_pieces_and_latency_change_nothing_that_is_said(line):
    line.spoil(Spoil(piece=1, latency=0.01))
    with client(line) as connection:
        assert echo(connection, b"hello") == b"hello"
