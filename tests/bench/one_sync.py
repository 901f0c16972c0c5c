"""One complete sync, as the command makes it; as a process of its own it tells the most memory that it took.

`python -m bench.one_sync DATABASE_URL API_URL CHATS` prints mebibytes, once so many chats were stored.
"""

import subprocess
import sys

from bench import account
from bench.measuring import expect, resident
from chat_hygiene import wiring
from chat_hygiene.settings import Settings, load_settings


def settings(database_url: str, api_url: str, *, page_size: int) -> Settings:
    """Settings under which no budget binds."""
    return load_settings(
        _env_file=None,
        database_url=database_url,
        api_url=api_url,
        api_token=account.TOKEN,
        pseudonym_key=account.KEY,
        audit_key="a" * 32,
        actor="bench",
        requests_per_minute=60_000,
        page_size=page_size,
    )


def sync(ledger: wiring.Ledger, *, chats: int, new: int) -> None:
    """Syncs all, and checks that it was all."""
    (device,) = wiring.sync_once(ledger, full=True, watcher=wiring.Watcher()).devices
    told = (device.problem, device.seen, device.new, device.changed, device.missing)
    expect(told, (None, chats, new, 0, 0), "problem, seen, new, changed and missing chats of a sync")


def peak(database_url: str, api_url: str, chats: int) -> float:
    """The mebibytes that a new process takes for one sync of so many chats."""
    words = [sys.executable, "-m", "bench.one_sync", database_url, api_url, str(chats)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    database, api, number = sys.argv[1:]
    with wiring.open_ledger(settings(database, api, page_size=1000)) as opened:
        sync(opened, chats=int(number), new=int(number))
    print(resident("self", "VmHWM"))  # noqa: T201
