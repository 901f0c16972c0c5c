"""An account of many chats on the product's own fake of the service, in a process of its own: `python -m bench.account`.

Chat `n` is the same in every process, so that an oracle can tell what a sync of it has to store.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from chat_hygiene.providers.fake.records import Record, api_time, chat_record, device_record
from chat_hygiene.providers.fake.server import serve
from chat_hygiene.providers.fake.world import World

DEVICE = "5f0c1a9be3d24c7a81b60e21"
TOKEN = "token-of-the-bench"
KEY = "k" * 32
"""Of pseudonyms."""
_NEWEST = datetime(2026, 5, 1, 12, 0, 0, 1000, tzinfo=UTC)
_META = {"unreadCount": 0, "isUnread": False, "isPinned": False, "isArchived": False, "isLocked": False}
_LABELS = ([], ["order"], ["refund", "vip"], ["señal"])
_AGENTS = (None, "60d2f1a4c8b7e90012ab34c1", "60d2f1a4c8b7e90012ab34c2")


def chat(number: int) -> Record:
    """A chat as the vendor shows one; a higher number was silent for longer."""
    written = _NEWEST - timedelta(seconds=number)
    name, phone = f"Ana Peña {number}", f"4477{number:08d}"
    return chat_record(
        f"{phone}@c.us",
        last_message_at=written,
        name=name,
        status="resolved" if number % 3 else "active",
        statusUpdatedAt=api_time(written + timedelta(hours=2)),
        firstMessageAt=api_time(written - timedelta(days=90)),
        lastInboundMessageAt=api_time(written - timedelta(minutes=5)),
        lastOutboundMessageAt=api_time(written),
        labels=_LABELS[number % 4],
        meta=_META,
        owner={"agent": _AGENTS[number % 3]},
        contact={"name": "Ana", "displayName": name, "phone": f"+{phone}"},
    )


@contextmanager
def served(chats: int) -> Iterator[str]:
    """The URL of an account with one number and so many chats, until the end of the block."""
    words = [sys.executable, "-m", "bench.account", str(chats)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def main(chats: int) -> None:
    """Serves until whoever started it is gone."""
    world = World(now=lambda: datetime.now(UTC), token=TOKEN)
    world.add_device(device_record(DEVICE))
    for number in range(chats):
        world.add_chat(DEVICE, chat(number))
    with serve(world) as server:
        print(server.url, flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))
