"""Worlds that live: numbers, chats, policies, holds and history drawn at random, and how they are stored.

What people and the API do is true here first and then written to the store, so that the naive reading of a world
(`naive`) asks nothing of the product but the jobs and runs that it made.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from integration.policies.strategies import NOW, QUIET, towards

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CHATS = 9
FIRST_ID, PER_WORLD = 10**6, 10
"""Each world has policies of its own, since versions are never changed: far from the ids that a database gives."""

WHENS = (
    ({"muted": False}, None),
    ({"inactive_for": "30d"}, {"labels": ["vip"]}),
    ({"resolved_for": "30d"}, {"unread": True, "assigned": True}),
    ({"kind": ["chat", "group"], "inactive_for": "30d"}, None),
    ({"pinned": True, "muted": False}, {"labels": ["vip"]}),
    ({"any": [{"kind": "group", "muted": False}, {"locked": True, "muted": False}]}, None),
    ({"not": {"unread": True}}, {"labels": ["vip"]}),
    ({"no_inbound_for": "30d", "labels": ["old"]}, None),
    ({"waiting_for_us": False, "older_than": "90d"}, {"unread": True}),
)
"""What goes, and unless; of few shapes, so that their statements need to be compiled once only."""
STATES = ("active",) * 11 + ("paused",)
KEEPS = ({"labels": ["legal"]}, {"archived": True}, {"agent": "a2"}, {"not": {"muted": False}})
OFF = {
    "kind": (None, "group", "channel", "user"),
    "status": (None, "active", "removed"),
    "labels": (["vip"], ["legal"], ["held"], ["old", "vip"], ["old"]),
    "agent": (None, "a2"),
    **dict.fromkeys(("unread", "pinned", "muted", "archived", "locked", "assigned"), (None, True)),
    **dict.fromkeys(
        ("status_updated_at", "last_message_at", "last_inbound_at", "last_outbound_at", "first_message_at"),
        (None, NOW - DAY, NOW - 7 * DAY, NOW - 29 * DAY, NOW + DAY),
    ),
    "missing_since": (NOW,),
    "removed_at": (NOW,),
}
"""Facts that a quiet chat is off by."""

FRESH = {"status": "operative", "session_status": "online", "last_full_sync_at": NOW, "last_online_at": NOW}
OFFLINE = {"session_status": "offline", "last_online_at": NOW - 8 * DAY}
NUMBERS = (
    *[{}] * 6,
    {"last_full_sync_at": NOW - 7 * HOUR},
    {"last_full_sync_at": None},
    {"last_full_sync_at": NOW + HOUR},
    {"session_status": "offline", "last_online_at": NOW - HOUR},
    OFFLINE,
    OFFLINE,
    OFFLINE | {"last_full_sync_at": NOW - DAY},
    OFFLINE | {"last_online_at": NOW - 2 * DAY},
    OFFLINE | {"last_online_at": None},
    OFFLINE | {"blocked_reason": "token"},
    {"status": "removed"},
    {"product": "other"},
)
"""How numbers differ from a fresh one."""


@dataclass
class Rules:
    """A stored policy: `document` is its current version's."""

    id: int
    document: dict
    state: str = "active"
    version: int = 1

    @property
    def name(self):
        return self.document["name"]

    @property
    def enforces(self):
        return self.state == "active" and self.document["mode"] == "enforce"


@dataclass
class World:
    """Everything that is true of one account at `now`."""

    number: int
    numbers: dict
    chats: dict
    rules: list
    keeps: list
    holds: list
    stopped: bool = False
    now: datetime = NOW
    waiting: dict = field(default_factory=dict)
    """Runs that await approval: (policy, version, pseudonyms, until when)."""
    tripped: list = field(default_factory=list)
    """Every run that ever did."""
    history: list = field(default_factory=list)
    """Earlier runs: (policy, hours ago, columns of its row, chat to the state of its job)."""
    lifted: set = field(default_factory=set)
    """(policy, version) of which a person approved a run: the canary is not asked any more."""

    @property
    def kept_by(self):
        return [keep.document for keep in self.keeps if keep.state == "active"]


def document(rng, name):
    """A delete policy of any kind, most of them enforcing."""
    when, unless = rng.choice(WHENS)
    found = {
        "name": name,
        "schedule": "0 3 * * *",
        "timezone": rng.choice(("UTC", "Pacific/Auckland", "America/Los_Angeles")),
        "mode": rng.choice(("enforce",) * 11 + ("observe",)),
        "when": when,
        **({"unless": unless} if unless else {}),
        "grace": rng.choice(("none", "none", "1h", "2d")),
        "delete": {"from_whatsapp": True},
        "limits": {
            "max_chats": rng.choice((0, 1, 2, 3, 4, 5, 6, 7, *[200] * 10)),
            "max_share": rng.choice(("0%", "10%", "34%", "50%", *["100%"] * 10)),
        },
    }
    if canary := rng.choice((None, 1, 2, 3, "off", "off", "off", "off")):
        found["limits"]["canary"] = canary
    if rng.random() < 0.3:
        found["devices"] = rng.choice((["d1"], ["sales"], ["d2", "d3"], ["d1", "d2"]))
    if rng.random() < 0.4:
        found["delete"]["offline_grace"] = rng.choice(("7d", "30d"))
    return found


def keep(rng, name):
    found = {"name": name, "action": "keep", "when": rng.choice(KEEPS)}
    if rng.random() < 0.3:
        found["devices"] = rng.choice((["sales"], ["d2"]))
    return found


def hold(rng, chats, now):
    """A hold in force on one of these chats: on it alone, on a label that it may have, or on its number."""
    chat = rng.choice(chats)
    scope = rng.choice(("chat", "chat", "label", "device"))
    here = scope != "label" or rng.random() < 0.3
    return {
        "scope": scope,
        "device_id": chat["device_id"] if here else None,
        "chat_ref": chat["chat_ref"] if scope == "chat" else None,
        "label": rng.choice(chat["labels"] or ["held"]) if scope == "label" else None,
        "until": rng.choice((None, None, now + HOUR, now + 26 * HOUR)),
        "released_at": None,
    }


def ended_hold(rng, chats):
    """One that was placed long ago; most of them are over."""
    found = hold(rng, chats, NOW)
    if rng.random() < 0.5:
        return found | {"released_at": rng.choice((NOW - HOUR, NOW - 2 * DAY))}
    return found | rng.choice(({}, {"until": NOW}, {"until": NOW - DAY}, {"until": NOW - 23 * HOUR}))


def off(rng, chat, most):
    """The same chat with some facts off."""
    names = rng.sample(sorted(OFF), rng.randint(0, most))
    return chat | {name: rng.choice(OFF[name]) for name in names}


def world(rng, number):
    """One of them; `number` tells it from the others in its database.

    Four have the same policies, since statements that are compiled once only are most of the speed there is.
    """
    ids = FIRST_ID + number * PER_WORLD
    shape = Random(number // 4)
    rules = [
        Rules(ids + n, document(shape, f"p{n}-{number}"), shape.choice(STATES))
        for n in range(shape.choice((1, 1, 2)))
    ]
    keeps = [Rules(ids + 5 + n, keep(shape, f"k{n}-{number}")) for n in range(shape.choice((0, 0, 1)))]
    found = {}
    for n in range(1, CHATS + 1):
        chat = {"id": n, "chat_ref": f"chat_{n}", **QUIET, "wid": f"{n}@c.us", "labels": []}
        chat["device_id"] = rng.choice((1, 1, 1, 2, 3))
        when = rng.choice(rules).document["when"]
        towards(when if "not" not in when else {}, chat)
        chat["last_message_at"] = NOW - rng.randint(40, 45) * DAY
        found[n] = off(rng, chat, 0 if n % 3 else 2)
    history = [
        earlier(rng, each, found)
        for each in rules
        if each.document["mode"] == "enforce" and rng.random() < 0.4
    ]
    return World(
        number=number,
        history=history,
        lifted={(rules.id, 1) for rules, _, run, _ in history if run["approved_by"]},
        numbers={n: FRESH | rng.choice(NUMBERS if n > 1 else NUMBERS[:7]) for n in (1, 2, 3)},
        chats=found,
        rules=rules,
        keeps=keeps,
        holds=[ended_hold(rng, [*found.values()]) for _ in range(rng.choice((0, 0, 1, 2)))],
        stopped=rng.random() < 0.05,
    )


def earlier(rng, rules, found):
    """A run of before: of the canary, of a timetable, or approved."""
    run = rng.choice(({"canary": True}, {"canary": True}, {}, {"approved_by": "ana"}, {"approved_by": "ana"}))
    free = [n for n, chat in found.items() if chat["device_id"] != 3 and "job" not in chat]
    states = rng.choice(
        (["queued"], ["deleted"], ["queued", "failed"], ["deleted", "removed_locally", "cancelled"])
    )
    wanted = {n: rng.choice(states) for n in rng.sample(free, min(len(free), rng.randint(1, 3)))}
    ago = rng.choice((2, 2, 30))
    for n, state in wanted.items():
        found[n]["job"] = state
        if state in ("deleted", "removed_locally"):
            found[n]["removed_at"] = NOW - HOUR
    return rules, ago, {"approved_by": None, "canary": False} | run, wanted
