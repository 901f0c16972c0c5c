"""A brake counts a population no further than it has to, and judges as if it had counted all of it."""

import pytest

from chat_hygiene.pipeline import brakes
from chat_hygiene.store.loads import Load
from unit.policies.documents import one


def policy(share, most=1000):
    return one(f"when: {{unread: true}}\n    limits: {{max_chats: {most}, max_share: {share}%}}")


def trip(rule, queued, population):
    return brakes.judge(rule, Load(1, "d1", population, today=0, wanted=queued))


@pytest.mark.parametrize("share", ["0.01", "0.33", "3", "10", "33.33", "99.99", "100"])
def test_it_is_the_smallest_population_that_lets_so_many_go(share):
    rule = policy(share)
    for queued in (1, 2, 3, 7, 10, 99, 100, 101, 1000):
        enough = brakes.enough(rule, queued)
        assert trip(rule, queued, enough) is None
        assert trip(rule, queued, enough - 1) is not None


def test_all_of_it_is_counted_where_no_share_of_any_population_lets_so_many_go():
    assert brakes.enough(policy("0"), 1) is None


def test_none_of_it_is_counted_where_they_are_too_many_whatever_their_share():
    assert brakes.enough(policy("100", most=5), 6) == 0
    assert trip(policy("100", most=5), 6, 0).brake == "max_chats"
    assert brakes.enough(policy("100", most=5), 5) == 5
