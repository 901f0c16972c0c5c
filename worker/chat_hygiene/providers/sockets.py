"""The network beneath httpcore, on asyncio's own transports: anyio's, which it would take, was a quarter of a call's time."""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any, Self

import httpcore

_ENOUGH = 256 * 1024
"""Bytes that wait to be read, from which on no more are received."""
_NEXT_ADDRESS = 0.25
"""Seconds after which a name's next address is tried beside the one before."""


class Network(httpcore.AsyncNetworkBackend):
    """Connects by TCP. Use from one event loop."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> "_Stream":
        """A stream to the first address of the host that answers. Raises httpcore.ConnectError and ConnectTimeout."""
        if local_address is not None or socket_options is not None:
            raise NotImplementedError
        try:
            async with asyncio.timeout(timeout):
                _, stream = await asyncio.get_running_loop().create_connection(
                    _Stream, host, port, happy_eyeballs_delay=_NEXT_ADDRESS
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError from error
        return stream


class _Stream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection. It has no time limits but for TLS: a call's own is for all of it."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = bytearray()
        self._ended = False
        self._failure: Exception | None = None
        self._reader: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP has no other
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > _ENOUGH:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._failure = True, exc
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109
        """What has come, as soon as there is something; nothing at the end. Raises httpcore.ReadError."""
        while not self._received:
            if self._failure is not None:
                raise httpcore.ReadError from self._failure
            if self._ended:
                return b""
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if len(self._received) <= _ENOUGH:
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Sends it. Nobody waits until it has left: a call sends a few lines. Raises httpcore.WriteError."""
        if self._ended:
            raise httpcore.WriteError
        self._transport.write(buffer)

    async def aclose(self) -> None:
        """Ends the connection at once; its socket is closed then."""
        self._transport.abort()
        # asyncio closes it in its next round.
        await asyncio.sleep(0)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Self:
        """The same stream, from here on by TLS. Raises httpcore.ConnectError and ConnectTimeout."""
        try:
            async with asyncio.timeout(timeout):
                transport = await asyncio.get_running_loop().start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError from error
        assert transport is not None  # noqa: S101 - of a connection that was lost meanwhile it raises
        self._transport = transport
        return self

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's interface
        """`is_readable`: while no call is out, that the server ended the connection. `ssl_object`."""
        if info == "is_readable":
            return self._ended or bool(self._received)
        return self._transport.get_extra_info(info)
