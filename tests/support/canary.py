"""A token that is made to be found, and the search for it, or for another secret, in what a process leaves and shows."""

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

import psutil
from sqlalchemy import Engine, text

# Spelled differently in a URL, in JSON and in base64.
CANARY = 'Canary+7f/3a==~%41"token.5c96'


def spellings(secret: str) -> set[bytes]:
    """The secret as it is and as it may be dressed: quoted, in JSON, in hex, in base64 at each of its three offsets."""
    raw = secret.encode()
    found = {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        quote(secret, safe=" +"),  # as SQLAlchemy spells a password
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        raw.hex(),
    }
    for offset in range(3):
        padded = b"x" * offset + raw
        # Only what depends on the secret alone: not its first and last groups.
        whole = slice(4 if offset else 0, len(padded) // 3 * 4)
        found |= {code(padded).decode()[whole] for code in (base64.b64encode, base64.urlsafe_b64encode)}
    return {each.encode() for each in found}


@contextmanager
def arguments_while() -> Iterator[set[str]]:
    """The arguments of every process of ours during the block: any other user can read them."""
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            for process in psutil.Process().children(recursive=True):
                try:
                    seen.update(process.cmdline())
                except psutil.Error:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def remains(folder: Path, engine: Engine) -> bytes:
    """Every file, and every value in the database."""
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    with engine.connect() as connection:
        names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        if engine.dialect.name == "sqlite":
            names = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        for table in connection.execute(text(names)).scalars().all():
            rows = connection.execute(text(f'SELECT * FROM "{table}"')).all()
            found.append(repr([tuple(row) for row in rows]).encode())
    return b"\n".join(found)


def assert_nowhere(what: bytes, *, where: str, secrets: Mapping[str, str] | None = None) -> None:
    """`secrets` by their names; the canary unless given."""
    for name, secret in (secrets or {"the API token": CANARY}).items():
        shown = [spelling.decode() for spelling in spellings(secret) if spelling in what]
        assert not shown, f"{name} shows in {where}, as {shown}"
