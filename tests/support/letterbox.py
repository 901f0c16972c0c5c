"""A server on loopback that takes messages as apprise's `json://` sends them, and can be told to refuse them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Letterbox:
    """What arrived. `status` is what it answers; only a 2xx was taken."""

    status: int = 200
    location: str | None = None
    letters: list[dict] = field(default_factory=list)
    refused: int = 0
    port: int = 0

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/path-of-the-operator"

    @property
    def titles(self) -> list[str]:
        return [each["title"].removeprefix("chat-hygiene: ") for each in self.letters]


@contextmanager
def letterbox() -> Iterator[Letterbox]:
    box = Letterbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            letter = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if 200 <= box.status < 300:
                box.letters.append(letter)
            else:
                box.refused += 1
            self.send_response(box.status)
            if box.location:
                self.send_header("Location", box.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        box.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield box
        server.shutdown()
        thread.join()
