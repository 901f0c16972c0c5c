"""What a forked worker does: the product's own wiring, with at most one fuse and a bounded disk laid around it."""

import sys

from chaos import killer
from chat_hygiene import wiring
from chat_hygiene.core.errors import DatabaseError, ProviderError
from chat_hygiene.store import engine as store_engine

UNREACHABLE = 6
"""The command's exit code for a dependency that cannot be reached."""


def run(ledger: wiring.Ledger) -> None:
    """The whole job once, as `chat-hygiene run` does it."""
    wiring.run_once(ledger, (), watcher=wiring.Watcher())


WORK = {"run": run}


def work(order: dict) -> int:
    """Does what is ordered; the exit code."""
    if order["fuse"] is not None:
        point, nth = order["fuse"]
        killer.POINTS[point](nth)
    if order["pages"] is not None:
        bound_disk(order["pages"])
    try:
        with wiring.open_ledger(wiring.settings()) as ledger:
            WORK[order["work"]](ledger)
    except (DatabaseError, ProviderError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - its log
        return UNREACHABLE
    return 0


def bound_disk(pages: int) -> None:
    """Each connection's SQLite file may grow by so many pages and no more: then the disk is full."""
    prepare = store_engine._prepare_sqlite

    def prepare_bounded(connection, record) -> None:
        prepare(connection, record)
        cursor = connection.cursor()
        most = cursor.execute("PRAGMA page_count").fetchone()[0] + pages
        cursor.execute(f"PRAGMA max_page_count = {most}")
        cursor.close()

    store_engine._prepare_sqlite = prepare_bounded
