"""How a person names an instant to come."""

from datetime import UTC, datetime, timedelta

import pytest

from chat_hygiene.cli import when
from chat_hygiene.core.errors import UsageError

NOW = datetime(2026, 5, 9, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("30d", NOW + timedelta(days=30)),
        ("+30d", NOW + timedelta(days=30)),
        ("12h", NOW + timedelta(hours=12)),
        ("2026-05-09", datetime(2026, 5, 9, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2026-12-24", datetime(2026, 12, 24, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2026-12-24T09:00", datetime(2026, 12, 24, 9, tzinfo=UTC)),
        ("2026-12-24T09:00:00Z", datetime(2026, 12, 24, 9, tzinfo=UTC)),
        ("2026-12-24T09:00+02:00", datetime(2026, 12, 24, 7, tzinfo=UTC)),
    ],
)
def test_a_day_an_instant_or_a_length_of_time_names_an_instant(text, at):
    assert when.parse(text, now=NOW) == at


@pytest.mark.parametrize(
    "text", ["2026-05-08", "2026-05-09T03:30", "2020-01-01T00:00Z", "0001-01-01T00:00+14:00"]
)
def test_what_is_past_is_refused(text):
    with pytest.raises(UsageError):
        when.parse(text, now=NOW)


@pytest.mark.parametrize(
    "text",
    ["", "30", "-30d", "0d", "1y", "3 months", "tomorrow", "2026-13-01", "2026-02-30", "24.12.2026", "9999d", "2040-01-01", "9999-12-31T23:59:59-14:00", "٣0d"],
)  # fmt: skip
def test_anything_else_is_refused_with_what_to_write(text):
    with pytest.raises(UsageError) as raised:
        when.parse(text, now=NOW)
    assert raised.value.fix
