"""The web process in a thread of the test, on a real socket, and a client of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import httpx

from chat_hygiene.settings import load_settings
from chat_hygiene.web.server import WebServer

TOKEN = "webhook-token-for-the-tests-0123456789"
KEYS = {
    "pseudonym_key": "pseudonym-key-of-the-tests-0123456789",
    "audit_key": "audit-key-of-the-tests-0123456789",
}


class Site:
    """What a test does with it."""

    def __init__(self, server: WebServer, client: httpx.Client) -> None:
        self.server, self.client = server, client

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.server.url.removeprefix("http://").rsplit(":", 1)
        return host, int(port)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def post(self, content: object, path: str = f"/webhooks/{TOKEN}", **headers) -> httpx.Response:
        return self.client.post(path, content=content, headers=headers)


@contextmanager
def served(database_url: str, *, now: datetime, **more: object) -> Iterator[Site]:
    """With a webhook token, at the instant `now`; `more` are settings."""
    usual = {"database_url": database_url, "web_port": 0, "webhook_token": TOKEN, **KEYS}
    settings = load_settings(**{**usual, **more}, _env_file=None)
    with (
        WebServer(settings, clock=lambda: now) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=20) as client,
    ):
        yield Site(server, client)
