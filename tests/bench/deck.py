"""A deck of ten thousand chats, each different: every world of the benchmarks is this deck, laid down many times.

What a policy matches in a world is what the naive oracle, plain Python that shares no line with the product, finds in
the deck. The daily rule matches 1 %, the first one, of an inbox that was never cleaned, 20 %.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.measuring import expect
from integration.policies import oracle

SIZE = 10_000
DEVICES = 10
MIN_AGE = timedelta(days=7)
NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)

UNLESS = {"labels": ["vip", "legal"], "unread": True}
DAILY = {"when": {"resolved_for": "180d", "no_inbound_for": "180d"}, "unless": UNLESS}
FIRST = {"when": {"resolved_for": "30d", "no_inbound_for": "30d"}, "unless": UNLESS}
"""The two rules that are measured, as in a policy's document."""

Chat = dict[str, Any]

_OPEN = ("active", "pending", "active", "resolved")
_TAGS = ("order", "delivery", "refund", "question", "newsletter", "vip", "legal")


@dataclass(frozen=True, slots=True)
class Kind:
    """So many cards of the deck: how long ago they fell silent, in days, and what they have in common."""

    cards: int
    silent: tuple[int, int]
    facts: Chat


_RESOLVED = {"status": "resolved", "unread": False, "labels": ["order"]}
_KINDS = (
    Kind(100, (200, 700), _RESOLVED),
    Kind(1_900, (40, 170), _RESOLVED),
    # What stays although it is old, as many as go: each for a reason of its own.
    Kind(30, (200, 700), _RESOLVED | {"labels": ["order", "vip"]}),
    Kind(10, (200, 700), _RESOLVED | {"labels": ["legal"]}),
    Kind(15, (40, 700), _RESOLVED | {"unread": True}),
    Kind(10, (40, 700), _RESOLVED | {"unread": None}),
    Kind(10, (200, 700), _RESOLVED | {"pinned": True}),
    Kind(5, (200, 700), _RESOLVED | {"locked": True}),
    Kind(15, (200, 700), _RESOLVED | {"kind": "group"}),
    Kind(5, (200, 700), _RESOLVED | {"kind": None}),
    Kind(500, (40, 700), {"status": "active"}),
    Kind(50, (40, 700), {"status": None}),
    Kind(1_000, (200, 700), _RESOLVED | {"removed_at": 3, "removed_how": "deleted", "name": None}),
    Kind(100, (200, 700), _RESOLVED | {"missing_since": 5}),
    Kind(1_900, (8, 28), _RESOLVED),
    Kind(4_350, (0, 28), {}),
)


def cards() -> list[Chat]:
    """The facts of each card, in the columns of `chats`; the same in every run but for the hour."""
    rng = random.Random(20_260_501)
    kinds = [kind for kind in _KINDS for _ in range(kind.cards)]
    expect(len(kinds), SIZE, "cards in the deck")
    rng.shuffle(kinds)
    return [_card(number, kind, rng) for number, kind in enumerate(kinds)]


def _card(number: int, kind: Kind, rng: random.Random) -> Chat:
    silent = rng.randint(*kind.silent)
    # No fact is within an hour of the instant at which a rule turns: the deck is laid down with other minutes each time.
    times = {
        "status_updated_at": silent,
        "last_message_at": silent,
        "last_inbound_at": silent,
        "last_outbound_at": silent + rng.randint(0, 3),
        "first_message_at": silent + rng.randint(3, 400),
    }
    facts: Chat = {
        "kind": "chat",
        "name": f"Person {number}",
        "status": rng.choice(_OPEN),
        "whatsapp_status": "active",
        "unread": rng.random() < 0.3,
        "pinned": False,
        "muted": rng.random() < 0.05,
        "archived": rng.random() < 0.1,
        "locked": False,
        "assigned": rng.random() < 0.5,
        "agent": f"agent-{rng.randint(1, 20)}",
        "department": f"team-{rng.randint(1, 5)}",
        "labels": rng.sample(_TAGS, rng.randint(0, 2)),
        "missing_since": None,
        "removed_at": None,
        "removed_how": None,
        "device_id": number % DEVICES + 1,
        **times,
        **kind.facts,
    }
    for name in (*times, "missing_since", "removed_at"):
        if facts[name] is not None:
            facts[name] = NOW - timedelta(days=facts[name], hours=12)
    return facts


def matching(deck: list[Chat], document: dict[str, Any]) -> Iterator[int]:
    """The places in the deck of the chats that a policy's document matches, as the naive oracle reads it."""
    for place, chat in enumerate(deck):
        if oracle.matches(document, [], {"wid": None, "chat_ref": "", **chat}, NOW, MIN_AGE, {}):
            yield place
