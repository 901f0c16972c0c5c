"""A listing ends where the service has no more, not where a page happens to be short."""

import pytest

from chat_hygiene.core.errors import BadAnswerError
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.pipeline.listing import Listing
from chat_hygiene.providers.base import Page


def page(*numbers):
    return Page(tuple(ChatFacts(wid=f"{number}@c.us") for number in numbers), len(numbers))


def walked(asked, *shown):
    """How many of the pages a walk reads."""
    listing = Listing(asked)
    return next((read for read, each in enumerate(shown, 1) if not listing.goes_on(each)), None)


@pytest.mark.parametrize(
    ("asked", "shown", "read"),
    [
        (3, [page()], 1),
        (3, [page(1, 2, 3), page(4), page()], 2),
        (3, [page(1, 2, 3), page(4, 5, 6), page()], 3),
        (3, [page(1, 2), page()], 2),
        (9, [page(1, 2, 3), page(4, 5, 6), page(7), page()], 3),
        (9, [page(1, 2, 3), page(4, 5, 6), page()], 3),
    ],
    ids=[
        "empty",
        "a short page",
        "a full last page",
        "one page, a second look",
        "capped size",
        "capped and full",
    ],
)
def test_a_walk_reads_until_the_service_has_no_more(asked, shown, read):
    assert walked(asked, *shown) == read


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_a_page_that_is_shown_over_and_over_ends_the_walk_with_an_error(size):
    listing = Listing(size)
    with pytest.raises(BadAnswerError, match="over and over"):
        for _ in range(10):
            assert listing.goes_on(page(*range(size)))


def test_a_service_that_ignores_the_page_is_found_out_although_its_list_moves():
    listing = Listing(10)
    with pytest.raises(BadAnswerError, match="over and over"):
        for top in range(10):
            assert listing.goes_on(page(*range(100 - top, 110 - top)))


def test_a_list_that_shifts_by_half_a_page_each_time_is_walked_on():
    listing = Listing(4)
    assert all(listing.goes_on(page(*range(2 * step, 2 * step + 4))) for step in range(20))
