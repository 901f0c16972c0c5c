"""A TCP proxy on loopback whose connections can be spoiled: slow, stalled, half-open, cut after some bytes, or reset.

    with proxy(("127.0.0.1", 5432)) as line:
        line.spoil(Spoil(latency=0.2))          # every connection from now on, and those that are open
        line.script(lambda number: Spoil(cut_after=number * 100))   # by the number of the connection, from 1
        line.heal()

What was spoiled stays spoiled until `heal`, which also ends the connections that were: nothing lost in them comes back.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Spoil:
    """What is wrong with a connection. Bytes are counted per direction, over the connection's life."""

    latency: float = 0
    """Seconds that each piece waits, in both directions."""
    stall: bool = False
    """Open, and nothing passes any more, until it is reset."""
    deaf: bool = False
    """Half-open: what the server says does not arrive; what the client says does."""
    mute: bool = False
    """Half-open the other way."""
    piece: int = _CHUNK
    """At most so many bytes at a time."""
    cut_after: int | None = None
    """Closed once so many bytes went one way."""
    reset_after: int | None = None
    """The same with a reset."""
    refuse: bool = False
    """A new connection is reset at once."""


FINE = Spoil()
Script = Callable[[int], Spoil]


class Proxy:
    """One listening port and the connections through it."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._script: Script = lambda _number: FINE
        self._loop = asyncio.new_event_loop()
        self._open: dict[asyncio.Task[None], Spoil] = {}
        self._count = 0
        self.port = 0

    @property
    def connections(self) -> int:
        """How many were opened so far."""
        return self._count

    def spoil(self, spoil: Spoil) -> None:
        """Spoils every connection, open or to come."""
        self.script(lambda _number: spoil)
        self._loop.call_soon_threadsafe(lambda: self._open.update(dict.fromkeys(self._open, spoil)))

    def script(self, script: Script) -> None:
        """Says by its number how each new connection is spoiled."""
        self._script = script

    def heal(self) -> None:
        """New connections are fine; those that were not are reset."""
        self.script(lambda _number: FINE)
        self._loop.call_soon_threadsafe(self._end_spoiled)

    def sever(self) -> None:
        """Resets every open connection."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._open])

    def _end_spoiled(self) -> None:
        for task, spoil in self._open.items():
            if spoil != FINE:
                task.cancel()

    # ── in the proxy's own thread ──

    def run(self, ready: threading.Event) -> None:
        """Serves until `stop`."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(ready))
        self._loop.close()

    def stop(self) -> None:
        """Ends all connections and the thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def _serve(self, ready: threading.Event) -> None:
        self._stopped = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopped.wait()
        server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        task = asyncio.current_task()
        self._open[task] = spoil = self._script(self._count)
        far: asyncio.StreamWriter | None = None
        graceful = False
        try:
            if not spoil.refuse:
                far_reader, far = await asyncio.open_connection(*self._target)
                graceful = await self._both(task, reader, writer, far_reader, far)
        except (OSError, asyncio.CancelledError):
            pass  # the end of the connection, whichever side or test it comes from
        finally:
            for each in (writer, far):
                if each is not None:
                    _close(each, graceful=graceful)
            del self._open[task]

    async def _both(self, task, reader, writer, far_reader, far) -> bool:
        """Passes bytes both ways until one side or the script ends it; whether it ends without a reset."""
        up = asyncio.create_task(self._pass(task, reader, far, upward=True))
        down = asyncio.create_task(self._pass(task, far_reader, writer, upward=False))
        try:
            done, _ = await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            return all(each.exception() is None and each.result() for each in done)
        finally:
            for each in (up, down):
                each.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _pass(
        self, task, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, upward: bool
    ) -> bool:
        passed = 0
        while data := await source.read(self._open[task].piece):
            spoil = self._open[task]
            if spoil.stall:
                await asyncio.Event().wait()
            if spoil.latency:
                await asyncio.sleep(spoil.latency)
            limits = [each for each in (spoil.cut_after, spoil.reset_after) if each is not None]
            data = data[: max(0, min(limits) - passed)] if limits else data
            passed += len(data)
            if not (spoil.mute if upward else spoil.deaf):
                sink.write(data)
                await sink.drain()
            if limits and passed >= min(limits):
                return spoil.reset_after is None
        return True


def _close(writer: asyncio.StreamWriter, *, graceful: bool) -> None:
    if not graceful:
        linger_zero = struct.pack("ii", 1, 0)  # closing sends RST
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
        writer.transport.abort()
    writer.close()


@contextmanager
def proxy(target: tuple[str, int]) -> Iterator[Proxy]:
    """A proxy to that address for the length of the block; its `.port` is on loopback."""
    line, ready = Proxy(target), threading.Event()
    thread = threading.Thread(target=line.run, args=(ready,), name="proxy")
    thread.start()
    assert ready.wait(10), "the proxy did not start"
    try:
        yield line
    finally:
        line.stop()
        thread.join()
