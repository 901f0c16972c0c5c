"""What may come in from Redis: the name of one of our tasks and at most one number; nothing else of a message is believed.

Whoever can write to the broker could otherwise end the workers with a line that is no JSON (the client library lets it
through to the worker's main loop), have them hold a message for years, run it under a time limit of a millisecond, or
chain other tasks to it. So a message is built anew from what was understood of it, and dropped if that is too little.
"""

import base64
import json
import re
from collections.abc import Container
from queue import Empty
from typing import Any
from uuid import uuid4

import structlog
from celery import current_app
from kombu.transport import TRANSPORT_ALIASES, redis

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_log = structlog.get_logger(__name__)


def install() -> None:
    """Has every redis:// and rediss:// connection of this process read through `understood`."""
    TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = f"{__name__}:Transport"


def understood(raw: Any, queue: str, tasks: Container[str]) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON held
    """The message built anew, for `queue`. Raises ValueError that says what is wrong with it, quoting nothing."""
    try:
        args, kwargs, _ = json.loads(base64.b64decode(raw["body"], validate=True))
        name, task_id, expires = (raw["headers"][each] for each in ("task", "id", "expires"))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("it is no task message") from None
    if not (isinstance(name, str) and name.startswith("chat_hygiene.") and name in tasks):
        raise ValueError("it names none of our tasks")
    if not (isinstance(task_id, str) and _ID.fullmatch(task_id)):
        raise ValueError("its id is none of ours")
    if not (expires is None or isinstance(expires, str)):
        raise ValueError("its expiry is no instant")
    if kwargs or not isinstance(args, list) or len(args) > 1 or not all(_is_id(each) for each in args):
        raise ValueError("it carries something else than one number")
    embedded = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))
    return {
        "body": base64.b64encode(json.dumps([args, {}, embedded]).encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": name, "id": task_id, "root_id": task_id, "expires": expires},
        "properties": {
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": queue},
            # A forged tag could name the place of another message.
            "delivery_tag": str(uuid4()),
        },
    }


def _is_id(value: object) -> bool:
    return type(value) is int and 0 < value < 2**63


class QoS(redis.QoS):  # type: ignore[misc]  # the library is not typed
    """What a worker holds unacknowledged, without what it could not acknowledge because the broker was away.

    The library goes on counting that, and a worker that takes one message at a time then never takes another one. The
    broker hands it out again after the visibility time-out; here it is done.
    """

    def ack(self, delivery_tag: str) -> None:
        """Lets go of a message, whether or not the broker can be told."""
        try:
            super().ack(delivery_tag)
        finally:
            self._quick_ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's signature
        """Gives a message back, or drops it if the broker cannot be told: it has it still."""
        try:
            super().reject(delivery_tag, requeue=requeue)
        finally:
            self._quick_ack(delivery_tag)


class Channel(redis.Channel):  # type: ignore[misc]  # the library is not typed
    """A channel that outlives a line that is no JSON, and a broker that was away when a message was done."""

    QoS = QoS

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - the library's signature
        # Version 3 is redis-py's default; nothing here needs it, and its handshake is one more thing to fail.
        return {**super()._connparams(asynchronous), "protocol": 2}

    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401 - the library's signature
        self.connection.decoded = False
        try:
            return super()._brpop_read(**options)
        except (Empty, self.ResponseError, *self.connection_errors):
            raise
        except Exception as error:  # JSON that decodes to objects fails in as many ways as there are types
            if self.connection.decoded:
                raise  # from whoever got the message
            _log.warning("a broker message was dropped: it is no JSON", error=type(error).__name__)
            return True


class Transport(redis.Transport):  # type: ignore[misc]  # the library is not typed
    """The Redis transport with `understood` at its entrance."""

    Channel = Channel
    decoded = False
    """Whether what a channel reads now was JSON."""

    def _deliver(self, message: Any, queue: str) -> None:  # noqa: ANN401 - whatever JSON held
        self.decoded = True
        try:
            clean = understood(message, queue, current_app.tasks)
        except ValueError as error:
            _log.warning(f"a broker message was dropped: {error}", queue=queue)
        else:
            super()._deliver(clean, queue)
