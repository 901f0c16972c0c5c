"""A lean server of the vendor's API in a process of its own: so quick that what is measured is who calls it.

Every account is made up by rule, so that it costs no memory: number `n` has the chats `n`, `n + devices`, … below `chats`, the
most recent first. Every answer takes `delay` seconds. With a `rate` it permits each number so many calls a second and a
`burst`, answers 429 beyond that, and counts. `python -m bench.api` serves one; `served` starts and asks it.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import ProxyHandler, build_opener

_ROUTE = re.compile(
    r"/v1/(?:devices(?:/(?P<one>[0-9a-f]+))?|chat/(?P<device>[0-9a-f]+)/chats(?:/(?P<wid>[^/?]+))?)"
)
FIRST = 447_700_000_000
_DUE = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Account:
    """What is served. Of the chats every `due_every`-th is resolved for 60 days, the others are active; none talks any more."""

    devices: int
    chats: int
    due_every: int = 1
    delay: float = 0.0
    rate: float | None = None
    burst: float = 0.0
    at: float = 1_780_000_000.0
    """The instant of the last message of chat 0; that of each other one is a second earlier."""

    def device(self, number: int) -> str:
        """Its id as the vendor makes them."""
        return f"5f0c1d2e3a4b5c6d{number:08x}"

    def wid(self, chat: int) -> str:
        """A chat's id."""
        return f"{FIRST + chat}@c.us"

    def is_due(self, chat: int) -> bool:
        """Whether `resolved_for: 30d` fits it."""
        return chat % self.due_every == 0

    def instant(self, chat: int) -> datetime:
        """When its last message came, and its status changed."""
        return datetime.fromtimestamp(self.at, UTC) - _DUE - timedelta(seconds=chat)


class Api:
    """A running server, asked from outside."""

    def __init__(self, port: int, account: Account) -> None:
        self.account = account
        self.url = f"http://127.0.0.1:{port}/v1"
        self._opener = build_opener(ProxyHandler({}))

    def calls(self, since: float, until: float) -> dict[str, int]:
        """The calls received between two instants of `time.monotonic`, by method and status, as in `GET 200`."""
        return self._ask(f"?since={since}&until={until}")["calls"]

    def removed(self) -> set[int]:
        """The chats that were removed so far, by number."""
        return set(self._ask("")["removed"])

    def first_delete(self, since: float) -> float | None:
        """When the first DELETE from then on came, by `time.monotonic`."""
        return self._ask(f"?since={since}")["first_delete"]

    def _ask(self, query: str) -> dict[str, Any]:
        with self._opener.open(self.url.removesuffix("/v1") + "/told" + query, timeout=60) as answer:
            return json.load(answer)


@contextmanager
def served(account: Account) -> Iterator[Api]:
    """The account on a free port of loopback, until the end of the block."""
    command = [sys.executable, "-m", "bench.api", json.dumps(asdict(account))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Api(int(process.stdout.readline()), account)
        finally:
            process.kill()


@dataclass
class _State:
    account: Account
    removed: set[int] = field(default_factory=set)
    buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    log: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    date: tuple[int, str] = (0, "")

    def permitted(self, device: str, now: float) -> bool:
        account = self.account
        if account.rate is None:
            return True
        tokens, at = self.buckets.get(device, (account.burst, now))
        tokens = min(account.burst, tokens + (now - at) * account.rate)
        self.buckets[device] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens >= 1

    def answer(self, method: str, target: str, now: float) -> tuple[int, object]:
        if target.startswith("/told"):
            return 200, self._told(parse_qs(urlsplit(target).query))
        match = _ROUTE.match(target)
        if match is None:
            return 404, {}
        device = match["one"] or match["device"]
        if device and not self.permitted(device, now):
            return 429, {"message": "too many requests"}
        if match["device"] is None:
            return 200, self._devices(match["one"], target)
        if match["wid"] is None:
            return 200, self._listing(device, target)
        chat = int(match["wid"].partition("%40")[0].partition("@")[0]) - FIRST
        if chat in self.removed or not 0 <= chat < self.account.chats:
            return 404, {"message": "not found"}
        if method == "DELETE":
            self.removed.add(chat)
            return 200, {"status": "ok"}
        return 200, self._chat(chat)

    def note(self, method: str, status: int, now: float) -> None:
        self.log[f"{method} {status}"].append(now)

    def _devices(self, one: str | None, target: str) -> object:
        account = self.account
        names = [account.device(number) for number in range(account.devices)]
        records = [
            {
                "id": name,
                "alias": f"Number {number}",
                "status": "operative",
                "session": {"status": "online"},
                "billing": {"subscription": {"product": "io", "status": "active"}},
            }
            for number, name in enumerate(names)
        ]
        if one is not None:
            return records[names.index(one)]
        start, end = _span(target)
        return records[start:end]

    def _listing(self, device: str, target: str) -> list[object]:
        start, end = _span(target)
        account, first = self.account, int(device[16:], 16)
        # What was removed is no longer listed, and what comes after it moves up.
        there = (n for n in range(first, account.chats, account.devices) if n not in self.removed)
        if not self.removed:
            there = iter(range(first + start * account.devices, account.chats, account.devices))
            start, end = 0, end - start
        return [self._chat(n) for place, n in zip(range(end), there, strict=False) if place >= start]

    def _chat(self, number: int) -> dict[str, object]:
        account = self.account
        at = account.instant(number)
        moment = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
        return {
            "id": account.wid(number),
            "type": "chat",
            "name": f"Person {number}",
            "status": "resolved" if account.is_due(number) else "active",
            "waStatus": "active",
            "statusUpdatedAt": moment,
            "lastMessageAt": moment,
            "lastInboundMessageAt": moment,
            "labels": ["order"],
            "meta": {"unreadCount": 0, "isUnread": False, "isPinned": False, "isArchived": False, "isLocked": False},
            "owner": {"agent": None},
        }  # fmt: skip

    def _told(self, query: dict[str, list[str]]) -> object:
        since, until = (float(query.get(name, ["0"])[0]) for name in ("since", "until"))
        return {
            "calls": {what: sum(since <= at < until for at in times) for what, times in self.log.items()},
            "removed": list(self.removed),
            "first_delete": next((at for at in self.log["DELETE 200"] if at >= since), None),
        }


def _span(target: str) -> tuple[int, int]:
    query = parse_qs(urlsplit(target).query)
    page, size = (int(query.get(name, [default])[0]) for name, default in (("page", "0"), ("size", "20")))
    return page * size, (page + 1) * size


class _Connection(asyncio.Protocol):
    """HTTP/1.1, as far as a client that waits for each answer needs it."""

    def __init__(self, state: _State) -> None:
        self._state, self._received = state, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = re.search(rb"content-length: *([0-9]+)", head, re.IGNORECASE)
        if length is not None and len(body) < int(length[1]):
            return
        self._received = b""
        self._answer(*head.split(b"\r\n", 1)[0].decode().split(" ")[:2])

    def _answer(self, method: str, target: str) -> None:
        now, state = time.monotonic(), self._state
        status, answer = state.answer(method, target, now)
        asked = target.startswith("/told")
        if not asked:
            state.note(method, status, now)
        if state.date[0] != int(time.time()):
            state.date = (int(time.time()), formatdate(usegmt=True))
        body = json.dumps(answer).encode()
        wait = "Retry-After: 1\r\n" if status == 429 else ""
        head = (
            f"HTTP/1.1 {status} It\r\nDate: {state.date[1]}\r\n{wait}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{'Connection: close' if asked else 'Connection: keep-alive'}\r\n\r\n"
        )
        delay = 0.0 if asked else state.account.delay
        asyncio.get_running_loop().call_later(delay, self._send, head.encode() + body, asked)

    def _send(self, answer: bytes, last: bool) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)
            if last:
                self._transport.close()


async def _serve(account: Account) -> None:
    state = _State(account)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(state), "127.0.0.1", 0, backlog=2048
    )
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Account(**json.loads(sys.argv[1]))))
