"""How large the suite is, and the table that it fills: `make chaos` runs it in full, `make test` a bounded slice."""

import json
import os
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from chaos.arena import Arena, arena

T = TypeVar("T")

FULL = os.environ.get("CHAOS") == "full"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `recovery` in seconds, from the last fault to the last job's end."""

    scenario: str
    engine: str
    kills: int
    live: int
    lost: int
    double: int
    bad: int
    recovery: float | None = None


def picked(every: Iterable[T], slice_: Iterable[T]) -> list[T]:
    """What a test goes through: a few in the bounded slice, in full every one."""
    return list(every if FULL else slice_)


ONE_ENGINE = pytest.mark.parametrize(
    "database_url", picked(("sqlite", "postgresql"), ("sqlite",)), indirect=True
)
"""For what the bounded slice sees on one engine only, because another of its scenarios sees as much on the other."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Takes what only the full suite does out of the slice."""
    if not FULL and (left := [each for each in items if each.get_closest_marker("full")]):
        config.hook.pytest_deselected(items=left)
        items[:] = [each for each in items if each not in left]


def note(**facts: object) -> None:
    """Adds a line to the file that the table is made of, if there is to be one."""
    if table := os.environ.get("CHAOS_TABLE"):
        with Path(table).open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")


@pytest.fixture
def size() -> Callable[[int, int], int]:
    """`size(slice, full)`: how often something is done in the bounded slice, and in full."""
    return lambda slice_, full: full if FULL else slice_


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Seeded by the test's own name: the same choices each time."""
    return random.Random(request.node.name)


@pytest.fixture
def ground(database_url: str, tmp_path: Path, rng: random.Random) -> Iterator[Arena]:
    """An arena on a fresh database, once of each engine."""
    with arena(database_url, tmp_path, rng=rng) as made:
        yield made


@pytest.fixture
def judged() -> Callable[..., None]:
    """`judged(scenario, arena, recovery)`: the verdict, as a row of the table; fails with every broken promise."""

    def judge(scenario: str, ground: Arena, recovery: float | None = None) -> None:
        verdict = ground.verdict()
        wrong = len(verdict.bad) + len(verdict.leases) + len(verdict.untrue)
        row = Row(
            scenario, ground.dialect, ground.kills, ground.live, len(verdict.lost), len(verdict.double), wrong, recovery
        )  # fmt: skip
        note(**asdict(row))
        assert not verdict.sentences(), "\n".join(verdict.sentences())
        assert ground.live >= 0.9 * ground.kills, (
            f"only {ground.live} of {ground.kills} kills met a live lease"
        )

    return judge
