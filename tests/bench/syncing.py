"""Syncing: how near it comes to a bare upsert of the same rows, what unchanged rows cost, and the memory of it."""

from collections.abc import Iterator

from bench import account, one_sync, upsert
from bench.ground import ENGINES, Ground
from bench.measuring import Row, expect, medians, ms, seconds
from chat_hygiene import wiring
from chat_hygiene.store.engine import create_engine

CHATS = 20_000
FEW, MANY, LARGE = 10_000, 200_000, 1_000_000
PAGE = 1000
"""Chats a page, the most that the setting allows, and rows in a transaction of the bare upsert."""


def rate(on: Ground) -> Iterator[Row]:
    """A complete sync of an empty store, and the same once more, beside the bare upsert."""
    rows = upsert.rows(CHATS)
    with account.served(CHATS) as url:
        for engine in ENGINES:
            yield from _rates(on, engine, url, rows)


def memory(on: Ground) -> Iterator[Row]:
    """The most memory that a process took which synced few chats, and one which synced many."""
    many_chats = LARGE if on.large else MANY
    for engine in ENGINES if on.large else ENGINES[:1]:
        peaks = []
        for chats in (FEW, many_chats):
            with account.served(chats) as url:
                peaks.append(one_sync.peak(on.database(engine), url, chats))
        few, many = peaks
        yield Row(
            f"peak memory of a sync of {many_chats:,} chats, {engine}",
            f"≤ 20 MiB more than of {FEW:,}",
            many / few,
            (few + 20) / few,
            f"{many:.1f} MiB",
            f"{few:.1f} MiB",
            f"{many_chats:,} and {FEW:,} chats stored",
        )


def _rates(on: Ground, engine: str, url: str, rows: list[upsert.Row]) -> Iterator[Row]:
    mine = on.database(engine)
    store, bare = create_engine(mine), create_engine(on.database(engine))
    upsert.add_device(bare)
    with wiring.open_ledger(one_sync.settings(mine, url, page_size=PAGE)) as ledger:

        def by_hand() -> float:
            upsert.empty(bare)
            return seconds(lambda: upsert.upsert(bare, rows, batch=PAGE))

        def first() -> float:
            upsert.empty(store)
            return seconds(lambda: one_sync.sync(ledger, chats=CHATS, new=CHATS))

        def again() -> float:
            return seconds(lambda: one_sync.sync(ledger, chats=CHATS, new=0))

        reference, synced, unchanged = medians(by_hand, first, again)
    naive = sorted(upsert.shown(row) for row in rows)
    expect(upsert.stored(bare) == naive, wanted=True, what="the bare upsert stored its rows")
    expect(upsert.stored(store) == naive, wanted=True, what="the sync stored the rows of the naive reading")
    store.dispose()
    bare.dispose()
    pages = f"{CHATS:,} chats in pages of {PAGE:,}"
    yield Row(
        f"sync of {pages}, {engine}",
        "≥ 0.6 × the rate of a bare upsert of the same rows",
        reference / synced,
        0.6,
        f"{ms(synced)}, {CHATS / synced:,.0f} chats/s",
        f"{ms(reference)}, {CHATS / reference:,.0f} rows/s",
        f"{CHATS:,} rows on both sides, as a naive reading has them",
        at_least=True,
        note=f"the upsert is by the driver alone, with dates and lists in hand, {PAGE:,} rows in a transaction",
    )
    yield Row(
        f"sync of {pages} once more, none changed, {engine}",
        "≥ 2 × faster than the first",
        synced / unchanged,
        2.0,
        f"{ms(unchanged)}, {CHATS / unchanged:,.0f} chats/s",
        f"{ms(synced)}, {CHATS / synced:,.0f} chats/s",
        f"{CHATS:,} seen, 0 new, 0 changed",
        at_least=True,
        note="each is still sent, read, validated, compared and marked as seen",
    )
