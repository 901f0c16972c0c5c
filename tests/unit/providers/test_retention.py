from datetime import timedelta

import pytest

from chat_hygiene.providers.wassenger_parse import retention


@pytest.mark.parametrize(
    ("spelling", "kept"),
    [
        ("5m", timedelta(minutes=5)),
        ("12h", timedelta(hours=12)),
        ("10d", timedelta(days=10)),
        ("never", None),
        ("plan_defaults", None),
        (None, None),
    ],
)
def test_how_long_the_vendor_keeps_data(spelling, kept):
    assert retention(spelling) == kept


@pytest.mark.parametrize(
    "spelling", ["", "0d", "10", "10 d", "10D", "P10D", "1w", "forever", "99999d", "\u0661d"]
)
def test_a_spelling_that_is_not_known_is_an_error_and_never_a_length(spelling):
    with pytest.raises(ValueError, match="unknown spelling"):
        retention(spelling)
