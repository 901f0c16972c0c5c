"""The fake on a real socket: uvicorn in a thread of its own, and the faults that live on the wire."""

import asyncio
import socket
import struct
import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any, Self

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from chat_hygiene.core.errors import InvalidInputError
from chat_hygiene.listening import listen, wait_for
from chat_hygiene.providers.fake.api import PREFIX, respond, routed
from chat_hygiene.providers.fake.messages import Answer, Call, Seen, json_answer
from chat_hygiene.providers.fake.world import World


class RunningServer:
    """A served world; a context manager that closes it."""

    def __init__(self, world: World, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        self.world = world
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}{PREFIX}"
        """For CHAT_HYGIENE_API_URL."""
        config = uvicorn.Config(
            _app(world), http=_Protocol, ws="none", loop="asyncio", lifespan="off", log_config=None,
            date_header=False, server_header=False,
        )  # fmt: skip
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="fake-api", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Blocks until the server ends or this thread is interrupted."""
        wait_for(self._thread)

    def close(self) -> None:
        """Cuts every connection and ends; may be called twice."""
        self._server.stop()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(world: World, host: str = "127.0.0.1", port: int = 0) -> RunningServer:
    """Serves the world from now on; port 0 takes a free one. Raises InvalidInputError when the port cannot be had."""
    try:
        listener = listen(host, port)
    except OSError as error:
        raise InvalidInputError(
            f"the fake API cannot listen on {host} port {port}: {error.strerror}", fix="choose another port"
        ) from None
    return RunningServer(world, listener)


@dataclass(frozen=True, slots=True)
class _Performance:
    """One answer and how it reaches the client, or does not."""

    answer: Answer
    date: str
    pause: float
    drip: float
    cut: bool
    reset: bool


def _perform(world: World, call: Call, token: str | None) -> _Performance:
    with world.locked():
        faults = world.struck(call)
        for fault in faults:
            if fault.happens is not None:
                fault.happens()
        # After the happenings: one of them may have been the end of the token.
        call = replace(call, authorized=bool(world.token) and token == world.token)
        true_answer = respond(world, call) if all(fault.acts for fault in faults) else json_answer(200, {})
        answer = next((fault.answer for fault in faults if fault.answer is not None), true_answer)
        reset = any(fault.reset for fault in faults)
        now = world.now()
        world.note(Seen(now, call, None if reset else answer.status))
        return _Performance(
            answer=answer,
            date=format_datetime(now + sum((fault.skew for fault in faults), timedelta(0)), usegmt=True),
            pause=sum(fault.pause for fault in faults),
            drip=max((fault.drip for fault in faults), default=0),
            cut=any(fault.cut for fault in faults),
            reset=reset,
        )


def _app(world: World) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["raw_path"].decode("ascii")
        route, device, wid = routed(path)
        call = Call(
            method=request.method, path=path, route=route, device=device, wid=wid,
            query=dict(request.query_params), body=await request.body(),
        )  # fmt: skip
        await _play(
            _perform(world, call, request.headers.get("token")), scope["state"]["transport"], receive, send
        )

    return app


async def _play(play: _Performance, transport: asyncio.Transport, receive: Receive, send: Send) -> None:
    if play.pause and await _client_left(receive, play.pause):
        return
    if play.reset:
        # Lingering for no time makes the close a reset.
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        transport.abort()
        await receive()
        return
    body = play.answer.body
    # No statement of length with 204 and 304, where the protocol has no body at all.
    length = {} if play.answer.status in {204, 304} else {"content-length": str(len(body))}
    headers = {"date": play.date, **length, **play.answer.headers}
    raw = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": play.answer.status, "headers": raw})
    if play.cut:
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        transport.close()
        await receive()
        return
    if play.drip:
        for position in range(len(body)):
            await send(
                {"type": "http.response.body", "body": body[position : position + 1], "more_body": True}
            )
            if await _client_left(receive, play.drip):
                return
        body = b""
    await send({"type": "http.response.body", "body": body})


async def _client_left(receive: Receive, seconds: float) -> bool:
    """Waits that long, or until the client hangs up."""
    try:
        async with asyncio.timeout(seconds):
            await receive()
    except TimeoutError:
        return False
    return True


class _Protocol(H11Protocol):
    """uvicorn's protocol, which also hands its transport to the app: cuts and resets are made there."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state: dict[str, Any] = {"transport": transport}
        # Here, because uvicorn's own setting silences a real web server in the same process too.
        self.access_log = False
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """uvicorn's server without its polling: it waits for one event and then cuts what is open."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._up = threading.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._up.set()
        await self._stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or []:
            self._loop.remove_reader(listener)
        # What was accepted a moment ago is a connection when the loop's task for it is over. Without its server it would never
        # become one, and stay open: asyncio drops it then.
        answering = self.server_state.tasks
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()} - answering)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*answering)

    def stop(self) -> None:
        self._up.wait()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
