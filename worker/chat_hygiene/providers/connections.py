"""The connections that a client keeps to its API, lent to one call at a time.

Each is a transport of its own: httpx's pool of several looks at all of them before and after each call, and a client above
it would add cookies and redirects that nobody wants. Together that took half of a call's time.
"""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

MAX_CONNECTIONS = 8
_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1)


class Connections:
    """At most eight. Use from one event loop; close with `aclose` when none is lent."""

    def __init__(self) -> None:
        self._free: list[httpx.AsyncHTTPTransport] = []
        self._seats = asyncio.Semaphore(MAX_CONNECTIONS)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[httpx.AsyncHTTPTransport]:
        """The one used last, for the length of the block; one that a block left by an error is closed, not lent again.

        httpcore keeps the place of a connection whose call is cancelled between connecting and sending, and each call over it
        would wait for that place.
        """
        async with self._seats:
            transport = self._free.pop() if self._free else _new()
            try:
                yield transport
            except BaseException:
                await transport.aclose()
                raise
            self._free.append(transport)

    async def aclose(self) -> None:
        """Closes all of them."""
        for transport in self._free:
            await transport.aclose()


def _new() -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(verify=ssl_context(), trust_env=False, limits=_ONE)


@functools.cache
def ssl_context() -> ssl.SSLContext:
    """One for the process: each costs megabytes and tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)
