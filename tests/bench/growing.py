"""The same matches in a small world and in one ten times as large: candidates and jobs cost as much as matches, not as chats."""

from collections.abc import Iterator

from bench import deck
from bench.evaluating import Case, case_of
from bench.ground import Ground
from bench.measuring import Row, expect, medians, ms
from bench.world import MILLION, world

SIZES, LARGE_SIZES = (MILLION // 10, MILLION), (MILLION, 10 * MILLION)


def bench(on: Ground) -> Iterator[Row]:
    """PostgreSQL: what SQLite's file holds fits one of these worlds."""
    small_size, large_size = LARGE_SIZES if on.large else SIZES
    ripe = small_size // deck.SIZE
    small, large = (
        case_of(world(on, "postgresql", size, ripe=ripe), "grown", deck.DAILY)
        for size in (small_size, large_size)
    )
    expect(len(large.wanted), len(small.wanted), "matches in the larger world")

    def forget() -> None:
        small.world.forget()
        large.world.forget()

    def timed(each: Case) -> float:
        return each.timed(each.by_product)

    few, many = medians(lambda: timed(small), lambda: timed(large), between=forget)
    yield Row(
        f"the same {len(small.wanted):,} matches in {small_size:,} and in {large_size:,} chats, postgresql",
        "≤ 2 × the time",
        many / few,
        2,
        ms(many),
        ms(few),
        f"{len(small.wanted):,} jobs in each, those of the oracle",
        note="candidates chosen and jobs inserted; what is old enough and kept grows with the world: 1 % of it",
    )
