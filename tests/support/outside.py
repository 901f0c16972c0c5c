"""A server that speaks the vendor's API and shares no line with the product's own fake: a second reading of the facts.

Standard library only. It keeps every request it saw, with its time, as the ground truth of a test.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "outside-token-7f3a9c51d2e84b60"


@dataclass
class Call:
    at: float
    method: str
    device: str | None
    wid: str | None
    body: object
    status: int | None = None
    # What the answer said, as it left; None while the call is at work.
    answer: bytes | None = None
    answered_at: float | None = None
    # Whether a DELETE took the chat away.
    acted: bool = False


@dataclass
class Outside:
    devices: list[dict] = field(default_factory=list)
    chats: dict[str, dict[str, dict]] = field(default_factory=dict)
    removed: str = "404"
    delay: float = 0.0
    # How long a DELETE takes to act after it was received: the caller may be dead by then.
    slow_delete: float = 0.0
    # Chats that WhatsApp refuses to delete, and chats whose first DELETE is answered well and does nothing.
    refused: set[tuple[str, str]] = field(default_factory=set)
    ignored: set[tuple[str, str]] = field(default_factory=set)
    # Told of each call when it is received, has acted, and is answered.
    watch: Callable[[str, Call], None] = lambda _moment, _call: None
    calls: list[Call] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    url: str = ""

    def hold(self, *, after: int) -> threading.Event:
        """However busy the machine is, no DELETE but the first few acts before the event is set (or 20 s are over)."""
        told = threading.Event()

        def watch(moment: str, call: Call) -> None:
            if moment == "received" and call.method == "DELETE" and len(self.deletes()) > after:
                told.wait(20)

        self.watch = watch
        return told

    def add_device(self, device: str, alias: str) -> None:
        self.devices.append(
            {
                "id": device,
                "alias": alias,
                "phone": "+34600000000",
                "status": "operative",
                "session": {"status": "online", "lastSyncAt": "2026-01-01T00:00:00.000Z"},
                "billing": {"subscription": {"product": "io", "status": "active"}},
            }
        )
        self.chats[device] = {}

    def message_arrives(self, device: str, wid: str, at: str) -> None:
        """The customer writes: the chat is active and unread, and listed again if it was removed."""
        with self.lock:
            chat = self.chats[device][wid]
            chat |= {"status": "active", "waStatus": "active", "statusUpdatedAt": at}
            chat |= {"lastMessageAt": at, "lastInboundMessageAt": at}
            chat["meta"] = {**chat.get("meta", {}), "isUnread": True, "unreadCount": 1}

    def deletes(self) -> list[Call]:
        return [call for call in self.calls if call.method == "DELETE"]

    # ── what a request does ──

    def answer(
        self, method: str, path: str, query: dict, token: str | None, body: object
    ) -> tuple[int, object]:
        if token != TOKEN:
            return 401, {"status": 401, "message": "Unauthorized"}
        if path == "/v1/devices" and method == "GET":
            page, size = int(query.get("page", ["0"])[0]), int(query.get("size", ["20"])[0])
            return 200, self.devices[page * size : (page + 1) * size]
        if (match := re.fullmatch(r"/v1/devices/([^/]+)", path)) and method == "GET":
            found = [each for each in self.devices if each["id"] == match[1]]
            return (200, found[0]) if found else (404, {"status": 404})
        if (match := re.fullmatch(r"/v1/chat/([^/]+)/chats", path)) and method == "GET":
            page, size = int(query.get("page", ["0"])[0]), int(query.get("size", ["20"])[0])
            chats = [chat for chat in self.chats[match[1]].values() if self._visible(chat)]
            chats.sort(key=lambda chat: chat.get("lastMessageAt", ""), reverse=True)
            return 200, chats[page * size : (page + 1) * size]
        if match := re.fullmatch(r"/v1/chat/([^/]+)/chats/([^/]+)", path):
            chat = self.chats.get(match[1], {}).get(unquote(match[2]))
            if chat is None or not self._visible(chat):
                return 404, {"status": 404, "message": "Not found"}
            if method == "GET":
                return 200, chat
            if method == "DELETE":
                flags = body if isinstance(body, dict) else {}
                place = (match[1], unquote(match[2]))
                if place in self.ignored:
                    self.ignored.discard(place)
                    return 200, {"status": "ok"}
                if flags.get("whatsapp") and place in self.refused:
                    if not flags.get("force"):
                        return 400, {"status": 400, "message": "WhatsApp refused"}
                elif flags.get("whatsapp"):
                    chat["waStatus"] = "removed"
                chat["status"] = "removed"
                return 200, {"status": "ok"}
        return 405, {"status": 405}

    def removed_here(self, call: Call) -> bool:
        """Whether the call's chat is removed by now."""
        chat = self.chats.get(call.device or "", {}).get(call.wid or "")
        return chat is not None and chat.get("status") == "removed"

    def _visible(self, chat: dict) -> bool:
        return self.removed == "listed" or chat.get("status") != "removed"


@contextmanager
def serving(world: Outside):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            if len(raw) < length:
                # Whoever sent it was killed in the middle: half a request is none.
                self.close_connection = True
                return
            body = json.loads(raw) if raw else None
            segments = parts.path.split("/")
            in_chat = len(segments) == 6 and segments[2] == "chat"
            call = Call(
                time.time(),
                self.command,
                segments[3] if len(segments) > 3 else None,
                unquote(segments[5]) if in_chat else None,
                body,
            )
            world.calls.append(call)
            world.watch("received", call)
            if self.command == "DELETE" and world.slow_delete:
                time.sleep(world.slow_delete)
            with world.lock:
                before = world.removed_here(call)
                status, answer = world.answer(
                    self.command, parts.path, parse_qs(parts.query), self.headers.get("Token"), body
                )
                call.status = status
                call.acted = world.removed_here(call) and not before
                text = json.dumps(answer).encode()
                call.answer, call.answered_at = text, time.time()
            world.watch("acted", call)
            if world.delay:
                time.sleep(world.delay)
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            except OSError:
                pass
            world.watch("answered", call)

        do_GET = do_DELETE = do_POST = do_PUT = do_PATCH = handle_one  # noqa: N815 - the base class dispatches by these

        def log_message(self, *args) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        # As many connections as a drain and a sync may open at once: by default all but five are left to knock again a
        # second later, which is the deadline of a read in these tests.
        request_queue_size = 128

        def handle_error(self, *args) -> None:
            """A caller that was killed resets its connections: nothing to tell."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    world.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield world
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
