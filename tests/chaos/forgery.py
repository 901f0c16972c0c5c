"""What one may find in a broker's lists that none of our processes put there."""

import base64
import json
import pickle
from random import Random
from uuid import uuid4

NAMES = ("tick", "sync", "evaluate", "drain", "reconcile", "look_at_debts", "seal", "purge", "heartbeat")


def forgery(rng: Random) -> bytes:
    """Raw bytes, endless nesting, huge bodies, pickles, other tasks, and ours with arguments that nobody sends."""
    ours = f"chat_hygiene.{rng.choice(NAMES)}"
    makers = (
        lambda: rng.randbytes(rng.randint(0, 200)),
        lambda: b"{" * rng.randint(1, 20_000),
        lambda: b'{"body": "' + b"A" * rng.randint(1, 300_000) + b'"}',
        lambda: pickle.dumps({"os": "system"}),
        lambda: message("os.system", ["true"], {}),
        lambda: message("celery.chain", [[]], {}),
        lambda: message(ours, [rng.randint(-5, 10**20)], {}),
        lambda: message(ours, ["'; drop table jobs; --"], {}),
        lambda: message(ours, [1, 2, 3], {"force": True}),
        lambda: message(ours, [], {}, content_type="application/x-python-serialize"),
        lambda: message(ours, [], {}),
    )
    return rng.choice(makers)()


def message(
    task: str, args: list[object], kwargs: dict[str, object], *, content_type: str = "application/json"
) -> bytes:
    """A message as Celery's own protocol writes it."""
    place = {"exchange": "", "routing_key": "delete"}
    return json.dumps(
        {
            "body": base64.b64encode(json.dumps([args, kwargs, {}]).encode()).decode(),
            "content-type": content_type,
            "content-encoding": "utf-8",
            "headers": {"task": task, "id": str(uuid4()), "lang": "py"},
            "properties": {"body_encoding": "base64", "delivery_tag": str(uuid4()), "delivery_info": place},
        }
    ).encode()
