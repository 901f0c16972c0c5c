"""`python -m bench`: every row, a line of progress each, one table, and exit 1 when one misses its target or fails."""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bench import (
    backlog,
    draining,
    evaluating,
    footprint,
    funnels,
    growing,
    many_policies,
    proving,
    starting,
    syncing,
    table,
)
from bench.ground import Ground, ground
from bench.measuring import Row, expect

Bench = Callable[[Ground], Iterator[Row]]
"""Yields its rows as it has them; raises AssertionError when what was done is not what it should be."""

BENCHES: dict[str, Bench] = {
    "evaluating": evaluating.bench,
    "funnels": funnels.bench,
    "growing": growing.bench,
    "many-policies": many_policies.bench,
    "sync": syncing.rate,
    "sync memory": syncing.memory,
    "start": starting.help_,
    "paced": draining.paced,
    "unpaced": draining.unpaced,
    "audit": proving.audit,
    "backlog": backlog.backlog,
    "footprint": footprint.footprint,
}


def measure(name: str, bench: Bench, on: Ground) -> list[Row]:
    """The rows of one bench; an error, or no row at all, is a row that failed."""
    rows: list[Row] = []
    try:
        for row in bench(on):
            rows.append(row)
            _say(f"  {row.name}: {table.measured(row)}, {'met' if row.passed else 'MISSED'} ({row.target})")
        expect(bool(rows), wanted=True, what="it measured something")
    except Exception as error:  # noqa: BLE001 - the other rows are still of use
        traceback.print_exc()
        because = f"{type(error).__name__}: {error}"
        rows.append(Row(name, "to be measured", None, 0, "—", "—", "—", note=because[:300]))
    return rows


def main(words: Sequence[str] | None = None, *, benches: Mapping[str, Bench] = BENCHES) -> int:
    """Runs what is asked for; returns the exit code."""
    parser = _arguments(benches)
    asked = parser.parse_args(words)
    if asked.only and asked.write:
        parser.error("--write puts down every row: it goes without --only")
    begun = time.monotonic()
    rows = []
    with ground(large=asked.large) as on:
        for name in asked.only or benches:
            _say(f"[{time.monotonic() - begun:4.0f} s] {name}")
            rows += measure(name, benches[name], on)
    table.show(rows, console=Console(width=None if sys.stdout.isatty() else 200))
    missed = sum(not row.passed for row in rows)
    print(f"{len(rows)} rows in {time.monotonic() - begun:.0f} s, {missed} missed")  # noqa: T201
    if asked.write is not None:
        table.write(rows, asked.write, large=asked.large)
    return 0 if rows and not missed else 1


def _arguments(benches: Mapping[str, Bench]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=list(benches), help="this one; may be given several times"
    )
    parser.add_argument("--large", action="store_true", help="the big sizes")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into this document")
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
