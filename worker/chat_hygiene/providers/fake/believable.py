"""The demo's account: two numbers and a few hundred chats as a support team and a sales team would have them.

Most chats are not due for one believable reason or another; about one in eleven is, under the rule "resolved for 30
days and no word from the customer for 30 days, unless vip, legal or unread; contracts stay". Three of those that are
due are special, one for each way in which a deletion goes another way than planned.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from chat_hygiene.clock import Clock
from chat_hygiene.core.errors import InvalidInputError
from chat_hygiene.providers.fake.faults import On, before
from chat_hygiene.providers.fake.people import MAX_PEOPLE, People
from chat_hygiene.providers.fake.records import Record, api_time, chat_record, device_record
from chat_hygiene.providers.fake.world import World

SUPPORT, SALES = "5f0c1a9be3d24c7a81b60e21", "5f0c1a9be3d24c7a81b60e22"

REFUSED = "Aurélie Fontaine"
"""WhatsApp refuses to delete this chat."""
ANSWERING = "Mateo Ibarra"
"""Writes again between the sync and the fresh read."""
VANISHING = "Nkechi Obiora"
"""The vendor no longer has this chat at the fresh read."""

_DUE_SHARE = 0.085
_AGENTS = ("60d2f1a4c8b7e90012ab34c1", "60d2f1a4c8b7e90012ab34c2", "60d2f1a4c8b7e90012ab34c3")
_PLAIN_LABELS = ("order", "refund", "shipping", "invoice", "follow-up", "returns")
_GROUPS = (
    "Warehouse ✕ Support",
    "Tienda Madrid 🛍️",
    "Resellers UK",
    "Wholesale buyers",
    "Launch week",
    "Couriers",
)


@dataclass(frozen=True, slots=True)
class _Story:
    """Why a chat stays: how it differs from one that is due. `idle` and `since` are days, from and to."""

    weight: int
    status: str = "resolved"
    since: tuple[float, float] = (33, 420)
    idle: tuple[float, float] = (33, 700)
    label: str | None = None
    unread: bool = False
    pinned: bool = False


_STORIES = (
    _Story(26, status="active", since=(0.1, 60), idle=(0.04, 12)),
    _Story(9, status="active", since=(40, 400), idle=(35, 700)),
    _Story(12, status="pending", since=(0.1, 20), idle=(0.1, 9)),
    _Story(20, since=(1, 28), idle=(1, 28)),
    _Story(5, since=(33, 200), idle=(2, 27)),
    _Story(8, label="vip"),
    _Story(5, label="legal"),
    _Story(8, label="contract"),
    _Story(4, unread=True),
    _Story(3, pinned=True),
    _Story(5, status="archived"),
)
_DUE = _Story(0)


def demo_world(now: Clock, *, seed: int = 7, chats: int = 300, token: str = "fake-token") -> World:  # noqa: S107
    """A world of about `chats` chats, the same for the same seed; ages count from the time it is made.

    Raises InvalidInputError for more chats than there are numbers set aside for fiction.
    """
    if chats > MAX_PEOPLE:
        raise InvalidInputError(f"the fake has at most {MAX_PEOPLE} chats", fix="ask for fewer")
    chance = random.Random(seed)  # noqa: S311 - for variety, not for secrets
    world = World(now=now, token=token)
    teller = _Teller(chance, now())
    world.add_device(device_record(SUPPORT, alias="Support ES", phone="+33639980001"))
    world.add_device(device_record(SALES, alias="Sales UK", phone="+447700900001"))
    for record in world.devices.values():
        record["session"]["lastSyncAt"] = api_time(now())
    special = {SUPPORT: (REFUSED, ANSWERING), SALES: (VANISHING,)}
    for device, names in special.items():
        ids = {name: teller.add(world, device, _DUE, name=name) for name in names}
        due = max(round(chats / 2 * _DUE_SHARE), len(names))
        for index in range(max(chats // 2 - len(names), 0)):
            story = (
                _DUE
                if index < due - len(names)
                else chance.choices(_STORIES, [s.weight for s in _STORIES])[0]
            )
            teller.add(world, device, story)
        for name, wid in ids.items():
            _make_special(world, device, wid, name)
    for index, name in enumerate(_GROUPS):
        teller.add_group(world, (SUPPORT, SALES)[index % 2], name, index)
    return world


def _make_special(world: World, device: str, wid: str, name: str) -> None:
    first_read = On(method="GET", route="chat", device=device, wid=wid)
    if name == REFUSED:
        world.refuse(device, wid)
    elif name == ANSWERING:
        world.script(before(lambda: world.message_arrives(device, wid), on=first_read))
    else:
        world.script(before(lambda: world.forget(device, wid), on=first_read))


class _Teller:
    def __init__(self, chance: random.Random, now: datetime) -> None:
        self._chance = chance
        self._now = now
        self._people = People(chance)

    def add(self, world: World, device: str, story: _Story, *, name: str | None = None) -> str:
        """Adds one person's chat and returns its id."""
        chance, person = self._chance, self._people.draw()
        idle = self._days(story.idle)
        last_in = self._now - idle
        # The team has the last word in most chats, soon after the customer's.
        answered = (
            min(idle / 2, timedelta(hours=chance.uniform(0.05, 9))) if chance.random() < 0.8 else timedelta(0)
        )
        since = self._days(story.since)
        if since < timedelta(days=story.idle[1]):  # otherwise the customer wrote after it was solved
            since = min(since, idle)
        first = last_in - timedelta(days=chance.uniform(0.2, 500))
        wid = f"{person.number}@c.us"
        record = chat_record(
            wid,
            last_message_at=last_in + answered,
            name=name or person.name,
            status=story.status,
            statusUpdatedAt=api_time(self._now - since),
            firstMessageAt=api_time(first),
            lastInboundMessageAt=api_time(last_in),
            labels=self._labels(story.label),
            owner=self._owner(last_in),
            contact={
                "name": (name or person.name).split()[0],
                "displayName": name or person.name,
                "phone": f"+{person.number}",
            },
        )
        if answered:
            record["lastOutboundMessageAt"] = api_time(last_in + answered)
        record["meta"] |= {
            "isUnread": story.unread,
            "unreadCount": int(story.unread),
            "isPinned": story.pinned,
        }
        world.add_chat(device, record)
        return wid

    def add_group(self, world: World, device: str, name: str, index: int) -> None:
        """Adds a group; half of them would be due if groups were people."""
        idle = timedelta(days=60 + 30 * index if index % 2 else 0.2 + index)
        wid = f"12036300000000{index:04d}@g.us"
        record: Record = chat_record(wid, last_message_at=self._now - idle, name=name, type="group")
        record |= {
            "status": "resolved" if index % 2 else "active",
            "statusUpdatedAt": api_time(self._now - idle),
        }
        record["group"] = {"totalParticipants": 4 + 3 * index}
        world.add_chat(device, record)

    def _days(self, span: tuple[float, float]) -> timedelta:
        # Squared, because recent chats are more frequent than old ones.
        return timedelta(days=span[0] + (span[1] - span[0]) * self._chance.random() ** 2)

    def _labels(self, label: str | None) -> list[str]:
        plain = self._chance.sample(_PLAIN_LABELS, self._chance.choice((0, 0, 1, 1, 2)))
        return plain if label is None else [label, *plain]

    def _owner(self, since: datetime) -> Record:
        if self._chance.random() < 0.4:
            return {"agent": None}
        return {"agent": self._chance.choice(_AGENTS), "assignedAt": api_time(since)}
