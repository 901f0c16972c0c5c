"""Instants as they stand in SQLite, one by one and by the column."""

from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from chat_hygiene.store.types import as_text, as_texts

WHOLE = datetime(2026, 5, 9, 3, tzinfo=UTC)


@given(st.lists(st.none() | st.datetimes(timezones=st.just(UTC))))
@example([WHOLE, None, WHOLE.replace(microsecond=1), WHOLE.replace(microsecond=120_000)])
@example([datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_many_instants_are_written_as_each_would_be_alone(instants):
    assert as_texts(instants) == [None if at is None else as_text(at) for at in instants]
