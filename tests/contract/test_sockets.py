"""What calls go over: ends of connections that are told apart, TLS, and a server that sends more than is read."""

import asyncio
import socket
import ssl
import struct
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore
import pytest

from chat_hygiene.providers.connections import Connections
from chat_hygiene.providers.sockets import Network

pytestmark = pytest.mark.anyio

PEM = Path(__file__).parent / "data" / "ping_example.pem"
MIB = 1024**2
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


@asynccontextmanager
async def serving(speak, **options):
    """A server that does with each connection what `speak` says; its port."""
    speaking = []

    async def handle(reader, writer):
        speaking.append(asyncio.current_task())
        try:
            await speak(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*speaking, return_exceptions=True)
        await server.wait_closed()


async def get(connections, port) -> bytes:
    url = httpcore.URL(f"http://127.0.0.1:{port}/")
    async with connections.lend() as connection:
        response = await connection.handle_async_request(
            httpcore.Request("GET", url, headers={"Host": "here"})
        )
        try:
            return await response.aread()
        finally:
            await response.aclose()


@pytest.mark.parametrize("last_words", [b"", b"HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n"])
async def test_a_connection_that_the_server_ended_while_it_was_idle_makes_no_further_call(last_words):
    served, ended = [], asyncio.Event()

    async def speak(reader, writer):
        served.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(GOOD)
        await asyncio.sleep(0.05)
        writer.write(last_words)
        writer.close()
        await writer.wait_closed()
        ended.set()

    async with serving(speak) as port:
        connections = Connections(httpcore.Origin(b"http", b"127.0.0.1", port))
        assert await get(connections, port) == b"[]"
        await ended.wait()
        await asyncio.sleep(0.05)
        assert await get(connections, port) == b"[]"
        await connections.aclose()
    assert len(served) == 2


async def test_an_answer_without_a_length_that_a_reset_cuts_short_is_no_answer():
    async def speak(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n[]")
        await asyncio.sleep(0.05)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()

    async with serving(speak) as port:
        connections = Connections(httpcore.Origin(b"http", b"127.0.0.1", port))
        with pytest.raises(httpcore.ReadError):
            await get(connections, port)


async def test_over_tls_the_name_is_checked_and_what_is_sent_arrives():
    names = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(PEM)
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    client = ssl.create_default_context(cafile=PEM)

    async def speak(reader, writer):
        writer.write((await reader.readexactly(4)).upper())

    async with serving(speak, ssl=server) as port:
        plain = await Network().connect_tcp("127.0.0.1", port)
        stream = await plain.start_tls(client, server_hostname="ping.example", timeout=10)
        await stream.write(b"over")
        assert await stream.read(100) == b"OVER"
        assert await stream.read(100) == b""
        await stream.aclose()
        other = await Network().connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore.ConnectError) as caught:
            await other.start_tls(client, server_hostname="another.example", timeout=10)
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    assert names == ["ping.example", "another.example"]


@pytest.mark.parametrize("tls", [False, True])
async def test_what_was_closed_has_no_socket_any_more(tls):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(PEM)

    async def speak(reader, _writer):
        await reader.read()

    async with serving(speak, ssl=server if tls else None) as port:
        stream = await Network().connect_tcp("127.0.0.1", port)
        if tls:
            await stream.start_tls(ssl.create_default_context(cafile=PEM), server_hostname="ping.example")
        beneath = stream.get_extra_info("socket")
        assert beneath.fileno() != -1
        await stream.aclose()
        assert beneath.fileno() == -1


async def test_a_handshake_that_is_given_up_leaves_no_socket_open():
    ended = asyncio.Event()

    async def speak(reader, writer):
        await reader.read()
        ended.set()

    async with serving(speak) as port:
        stream = await Network().connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore.ConnectTimeout):
            await stream.start_tls(ssl.create_default_context(), server_hostname="here", timeout=0.05)
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_server_that_sends_more_than_is_read_has_to_wait():
    sent = asyncio.Event()

    async def speak(_reader, writer):
        writer.write(b"x" * (64 * MIB))
        await writer.drain()
        sent.set()

    async with serving(speak) as port:
        stream = await Network().connect_tcp("127.0.0.1", port)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sent.wait(), 0.5)
        received = 0
        while data := await stream.read(MIB):
            received += len(data)
        assert received == 64 * MIB
        await stream.aclose()
