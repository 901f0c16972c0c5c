"""How a drain's places are shared out among numbers."""

from hypothesis import given
from hypothesis import strategies as st

from chat_hygiene.pipeline.shares import shares

WANTED = st.lists(st.integers(1, 14), max_size=120)


@given(WANTED.map(sorted), st.integers(0, 256))
def test_no_place_stays_empty_that_somebody_wants_and_nobody_gets_more_than_another_who_wants_as_much(
    wanted, free
):
    found = shares(wanted, free)
    assert sum(found) == min(free, sum(wanted))
    assert all(0 <= got <= most for got, most in zip(found, wanted, strict=True))
    short = [got for got, most in zip(found, wanted, strict=True) if got < most]
    assert not short or max(found) - min(short) <= 1


def test_what_one_number_cannot_use_goes_to_the_others():
    assert shares([1, 1, 14, 14], 20) == [1, 1, 9, 9]


def test_with_fewer_places_than_numbers_the_first_get_one_each():
    assert shares([3, 3, 3], 2) == [1, 1, 0]
