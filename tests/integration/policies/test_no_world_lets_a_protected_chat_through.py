"""Whole worlds, whatever happens in them: no chat is queued, and none passes a gate, that the naive reading would keep.

The worlds are drawn by a seed and not by hypothesis: a story needs a few hundred draws, which the search would weigh
one by one, and what it gives for that, a smaller failure, a world of nine chats and three steps is already. `STORIES=20`
tells twenty times as many stories. A failure names its world, and the same world comes again each time.
"""

import os
from collections import Counter
from random import Random

import pytest

from chat_hygiene import wiring
from chat_hygiene.settings import load_settings
from integration.policies import living, naive, storing
from integration.policies.stories import Story

PARTS, WORLDS = 4, 175 * int(os.environ.get("STORIES", "1"))
KEYS = {"audit_key": "a" * 32, "pseudonym_key": "p" * 32}
OFTEN = {
    "run: queued": 15,
    "run: brake": 15,
    "run: canary": 5,
    "run: canary under way": 1,
    "run: stale": 8,
    "run: stopped": 1,
    "run: paused": 1,
    "run: observe": 4,
    "plan: queued": 5,
    "plan: dropped": 8,
    "approve: queued": 3,
    "approve: refused": 2,
    "hold: cancelled": 1,
    "edit: cancelled": 2,
    "read: cancelled": 1,
    "after a hold": 5,
    "gate: None": 6,
    "gate: does not match": 2,
    "gate: was held": 1,
    "gate: has its grace": 1,
    "gate: paused": 1,
    "work: something in between": 5,
}
"""How often each branch is taken at least, in each part."""


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_only_what_may_go_is_queued_and_passes_a_gate(database_url, part):
    met, world = Counter(), None
    settings = load_settings(
        database_url=database_url, actor="tester", canary_chats=naive.HOUSE_CANARY, **KEYS
    )
    with wiring.open_ledger(settings, clock=lambda: world.now) as ledger:
        storing.open_store(ledger.context.sessions)
        for number in range(part * WORLDS, (part + 1) * WORLDS):
            rng = Random(number)
            world = living.world(rng, number)
            Story(ledger.context, rng, world, met).tell()
    seldom = {branch: met[branch] for branch, least in OFTEN.items() if met[branch] < least}
    assert not seldom, f"these worlds prove little: {seldom}"
