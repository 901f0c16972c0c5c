"""A connection whose call was cancelled, wherever the call was, stands in no later call's way."""

import asyncio

import httpcore
import pytest

from chat_hygiene.providers.connections import MAX_CONNECTIONS, Connections
from support.outside import Outside, serving

STEPS = (
    "connection.connect_tcp.started",
    "connection.connect_tcp.complete",
    "http11.send_request_headers.started",
    "http11.send_request_headers.complete",
    "http11.send_request_body.complete",
    "http11.receive_response_headers.started",
    "http11.receive_response_headers.complete",
    "http11.receive_response_body.started",
    "http11.receive_response_body.complete",
    "http11.response_closed.started",
    "http11.response_closed.complete",
)
"""Of a call over a new connection, in their order."""


async def call(connections, url, trace) -> int:
    request = httpcore.Request(
        "GET", url, headers={"Host": url.host, "Token": "t"}, extensions={"trace": trace}
    )
    async with connections.lend() as connection:
        response = await connection.handle_async_request(request)
        try:
            await response.aread()
        finally:
            await response.aclose()
    return response.status


@pytest.mark.parametrize("step", STEPS)
def test_a_call_cancelled_at_any_step_leaves_its_place_to_others(step):
    async def run(url):
        reached = []

        async def cut(event, _info):
            reached.append(event)
            if event == step:
                asyncio.current_task().cancel()

        async def note(event, _info):
            reached.append(event)

        connections = Connections(url.origin)
        async with asyncio.timeout(10):
            for _ in range(MAX_CONNECTIONS):
                # At the last step nothing is waited for any more, so that the call may end well.
                await asyncio.gather(asyncio.create_task(call(connections, url, cut)), return_exceptions=True)
            assert reached.count(step) == MAX_CONNECTIONS
            assert await asyncio.gather(*(call(connections, url, note) for _ in range(MAX_CONNECTIONS)))
        await connections.aclose()

    with serving(Outside()) as world:
        asyncio.run(run(httpcore.URL(f"{world.url}/devices")))
