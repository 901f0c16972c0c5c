"""The connections that a client keeps to its API, lent to one call at a time.

Each is one of httpcore's: the pool that httpx keeps of them, its client above that, and the network beneath took nearly half
of a call's time.
"""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpcore
import httpx

from chat_hygiene.providers.sockets import Network

MAX_CONNECTIONS = 8
_KEPT_IDLE = 5.0
"""Seconds; a server that closes a connection just as a call leaves would cost that call its answer."""


class Connections:
    """At most eight. Use from one event loop; close with `aclose` when none is lent."""

    def __init__(self, origin: httpcore.Origin) -> None:
        self._origin = origin
        self._free: list[httpcore.AsyncHTTPConnection] = []
        self._seats = asyncio.Semaphore(MAX_CONNECTIONS)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[httpcore.AsyncHTTPConnection]:
        """The one used last, for the length of the block; one that a block left by an error is closed, not lent again.

        httpcore keeps the place of a connection whose call is cancelled between connecting and sending, and each call over it
        would wait for that place.
        """
        async with self._seats:
            connection = await self._kept() or self._new()
            try:
                yield connection
            except BaseException:
                await connection.aclose()
                raise
            self._free.append(connection)

    async def aclose(self) -> None:
        """Closes all of them."""
        for connection in self._free:
            await connection.aclose()

    async def _kept(self) -> httpcore.AsyncHTTPConnection | None:
        """The one used last that still can be."""
        while self._free:
            connection = self._free.pop()
            if connection.is_available() and not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    def _new(self) -> httpcore.AsyncHTTPConnection:
        return httpcore.AsyncHTTPConnection(
            self._origin,
            ssl_context=ssl_context(),
            keepalive_expiry=_KEPT_IDLE,
            network_backend=Network(),
        )


@functools.cache
def ssl_context() -> ssl.SSLContext:
    """One for the process: each costs megabytes and tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)
