"""The web process as a server: uvicorn in a thread of its own, so that `web` and `up` begin and end it alike."""

import socket
import threading
from types import TracebackType
from typing import Self

import structlog
import uvicorn

from chat_hygiene.clock import Clock, utc_now
from chat_hygiene.core.errors import ListenError
from chat_hygiene.listening import listen, wait_for
from chat_hygiene.settings import Settings
from chat_hygiene.web.app import create_app
from chat_hygiene.web.users import users_of

GRACE_SECONDS = 20
"""For requests in flight once it is to end; each is over sooner by itself."""
MAX_CONNECTIONS = 256

_log = structlog.get_logger(__name__)


class WebServer:
    """Serves from its making until `close`; a context manager. Handles no signals."""

    def __init__(self, settings: Settings, *, clock: Clock = utc_now) -> None:
        """Raises InvalidInputError for an address that may not be listened on or a users file with mistakes, ListenError for one that cannot be had."""
        users = users_of(settings)
        self._listener = _listen(settings.web_host, settings.web_port)
        try:
            app = create_app(settings, users, clock=clock)
        except BaseException:
            self._listener.close()
            raise
        host, port = self._listener.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                loop="asyncio",
                lifespan="on",
                log_config=None,
                access_log=False,  # a path may be the webhook token
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Asks it to end: new connections are refused, requests in flight finished. Safe in a signal handler."""
        self._server.should_exit = True

    def wait(self) -> None:
        """Blocks until it has ended. Raises what ended it, if it was not `stop`."""
        wait_for(self._thread)
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Stops it and waits; may be called twice."""
        self.stop()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            self._failure = error
            # Under `up` nobody waits before the end, and the rest works on without it.
            _log.exception("the web server ended by itself; start the process again")
        finally:
            self._listener.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        raise ListenError(
            f"the web process cannot listen on {host} port {port}: {error.strerror}",
            fix="end what listens there, or set CHAT_HYGIENE_WEB_HOST and CHAT_HYGIENE_WEB_PORT",
        ) from None
