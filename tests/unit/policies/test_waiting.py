from datetime import timedelta

import pytest

from chat_policies import shortest_wait
from unit.policies.documents import one


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        ("when: {inactive_for: 30d}", 37),
        ("when: {inactive_for: 30d}\n    grace: none", 30),
        ("when: {resolved_for: 30d, no_inbound_for: 40d}\n    grace: none", 40),
        ("when: {any: [{inactive_for: 90d}, {labels: [spam], no_outbound_for: 12d}]}\n    grace: none", 12),
        ("when: {inactive_for: 20d, any: [{resolved_for: 9d}, {unread: true}]}\n    grace: none", 20),
        ("when: {labels: [spam]}\n    grace: 1d", 8),
        ("when: {not: {inactive_for: 30d}}\n    grace: none", 7),
        ("when: {older_than: 365d}\n    grace: none", 7),
        ("when: {inactive_for: 10d}\n    unless: {inactive_for: 90d}\n    grace: none", 10),
    ],
)
def test_the_shortest_silence_after_which_a_chat_can_go(lines, days):
    assert shortest_wait(one(lines), timedelta(days=7)) == timedelta(days=days)
