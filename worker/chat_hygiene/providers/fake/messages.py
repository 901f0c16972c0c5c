"""What goes over the wire of the fake, as values: a call, an answer, a line of the request log."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came in. `route` is the API's name for it: devices, device, chats, chat, webhooks, or empty if unknown."""

    method: str
    path: str
    """As it stood in the request line, still quoted, without the query."""
    route: str
    device: str | None
    wid: str | None
    query: Mapping[str, str]
    body: bytes
    authorized: bool = False
    """Whether the token was right; the token itself is kept nowhere."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A line of the request log: the ground truth of what a client really sent."""

    at: datetime
    call: Call
    status: int | None
    """What was answered; None when the connection was reset without an answer."""

    @property
    def sent(self) -> Any:  # noqa: ANN401 - JSON
        """The JSON body of the request; None when there was no body at all."""
        return json.loads(self.call.body) if self.call.body else None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer before it goes out."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    return Answer(
        status, json.dumps(content).encode(), {"content-type": "application/json", **(headers or {})}
    )


def error_answer(status: int, code: str, message: str) -> Answer:
    """An error in the API's own form."""
    return json_answer(status, {"status": status, "errorCode": code, "message": message})
