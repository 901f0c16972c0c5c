"""A fake of the service: a real HTTP server with state and faults. For the demo, `fake-api` and the tests."""

from collections.abc import Callable

from chat_hygiene.clock import Clock
from chat_hygiene.providers.fake.believable import demo_world
from chat_hygiene.providers.fake.server import serve


def serve_forever(
    now: Clock, *, host: str, port: int, token: str, chats: int, seed: int, announce: Callable[[str], None]
) -> None:
    """Serves the demo's account until interrupted; `announce` is told the URL once it can be called.

    Raises InvalidInputError when the port cannot be had.
    """
    try:
        with serve(demo_world(now, seed=seed, chats=chats, token=token), host, port) as server:
            announce(server.url)
            server.wait()
    except KeyboardInterrupt:
        return
