"""The web process in a thread of the test, on a real socket, and clients of it: a machine, or a person with a browser."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from html import unescape
from pathlib import Path

import httpx

from chat_hygiene.settings import load_settings
from chat_hygiene.web.server import WebServer
from chat_hygiene.web.users import Role, new_user

TOKEN = "webhook-token-for-the-tests-0123456789"
KEYS = {
    "pseudonym_key": "pseudonym-key-of-the-tests-0123456789",
    "audit_key": "k" * 32,  # with which `world.fill` seals
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
    def browser(self) -> "Iterator[Browser]":
        """One with no cookies yet."""
        headers = {"Accept": "text/html", "Origin": self.server.url}
        with httpx.Client(base_url=self.server.url, trust_env=False, timeout=120, headers=headers) as client:
            yield Browser(client)


class Browser:
    """A person's: it keeps cookies, and sends the forms of our pages as they stand there."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def sign_in(self, name: str, token: str) -> httpx.Response:
        return self.client.post("/sign-in", data={"name": name, "secret": token, "next": "/"})

    def form_token(self) -> str:
        """Of this session, from the page on which anybody finds one."""
        found = re.search(r'name="token" value="([^"]+)"', self.get("/zone").text)
        assert found, "the page has no form"
        return unescape(found[1])

    def send(self, path: str, /, **fields: str) -> httpx.Response:
        """A form of this session."""
        return self.client.post(path, data={"token": self.form_token(), **fields})


class People:
    """A users file, and the token of everybody in it."""

    def __init__(self, file: Path) -> None:
        self.file, self.tokens, self._lines = file, {}, {}

    def add(self, name: str, role: str) -> None:
        """Somebody; whoever had the name before is replaced."""
        self._lines[name], self.tokens[name] = new_user(name, Role(role))
        self._write()

    def remove(self, name: str) -> None:
        del self._lines[name]
        self._write()

    def make(self, name: str, role: str) -> None:
        """Gives somebody another role, and the same token."""
        old, _, secret = self._lines[name].split(":")
        self._lines[name] = f"{old}:{role}:{secret}"
        self._write()

    def _write(self) -> None:
        self.file.write_text("".join(f"{line}\n" for line in self._lines.values()))


@contextmanager
def served(database_url: str, *, now: datetime, clock=None, **more: object) -> Iterator[Site]:
    """With a webhook token, at the instant `now` or by `clock`; `more` are settings."""
    usual = {"database_url": database_url, "web_port": 0, "webhook_token": TOKEN, **KEYS}
    settings = load_settings(**{**usual, **more}, _env_file=None)
    with (
        WebServer(settings, clock=clock or (lambda: now)) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=120) as client,
    ):
        yield Site(server, client)
