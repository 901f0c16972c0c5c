"""CSV that a spreadsheet only shows: what could begin a formula does not begin a cell."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice

from chat_hygiene.core.cells import shown_only
from chat_hygiene.core.errors import UsageError

MOST = 100_000


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A header and rows; instants in UTC. Raises UsageError for more rows than `MOST`: none is left out unsaid."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    remaining = iter(rows)
    writer.writerows([_cell(value) for value in row] for row in islice(remaining, MOST))
    if next(remaining, None) is not None:
        raise UsageError(
            f"these are more than {MOST:,} rows",
            fix="choose one policy or one number, or read the report views in the database",
        )
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return shown_only(value)
