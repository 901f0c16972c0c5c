"""What one measurement is: the product beside a reference, in rounds, in one run; and the row of the table it makes."""

import gc
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        name: what was done, with its engine and sizes.
        target: what the ratio has to be, in words, as in `≤ 2 × a hand-written INSERT … SELECT`.
        ratio: what was measured; None: the row ended in an error.
        limit: the most that it may be; the least, with `at_least`.
        product, reference: the raw numbers of both sides, with their units.
        counted: what both sides were seen to have done, so that no empty world passes.
        note: why it missed, or what was scaled from a sample.
    """

    name: str
    target: str
    ratio: float | None
    limit: float
    product: str
    reference: str
    counted: str
    at_least: bool = False
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether it met its target."""
        if self.ratio is None:
            return False
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


def expect(found: object, wanted: object, what: str) -> None:
    """Raises AssertionError with a sentence; unlike `assert` also under `python -O`."""
    if found != wanted:
        raise AssertionError(f"{what}: {found} instead of {wanted}")


def seconds(work: Callable[[], object]) -> float:
    """The wall time of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def medians(
    *sides: Callable[[], float], rounds: int = ROUNDS, between: Callable[[], object] = lambda: None
) -> tuple[float, ...]:
    """The median of what each side returns, over `rounds` rounds after one to warm up.

    A side does its work once and returns its seconds, or any other number. The sides take turns, so that whatever else
    happens on the machine meets all of them; `between` puts things back before each.
    """
    found: list[list[float]] = [[] for _ in sides]
    for number in range(rounds + 1):
        for side, values in zip(sides, found, strict=True):
            between()
            gc.collect()
            value = side()
            if number:
                values.append(value)
    return tuple(statistics.median(values) for values in found)


def resident(process: int | str, what: str = "VmRSS") -> float:
    """MiB that a process holds in memory, or, with `VmHWM`, the most that it held since its program began.

    `getrusage` tells another peak: a new process begins with that of the one that started it.
    """
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    return int(re.search(rf"{what}:\s+([0-9]+) kB", status)[1]) / 1024


def ms(value: float) -> str:
    """Seconds as milliseconds or seconds, whichever reads better."""
    return f"{value:,.2f} s" if value >= 1 else f"{value * 1000:,.1f} ms"
