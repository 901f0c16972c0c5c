"""A made-up inbox for the outside server, the policies over it, and a plain-Python reading of what has to go."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from support.outside import Outside

MONTH = timedelta(days=30)
DEVICES = {"5f0c1d2e3a4b5c6d7e8f9a0b": "Support ES", "5f0c1d2e3a4b5c6d7e8f9a0c": "Sales UK"}

POLICIES = """
version: 1
defaults: {timezone: Europe/Madrid, schedule: "0 3 * * *"}
policies:
  - name: resolved-30d
    mode: enforce
    when: {resolved_for: 30d, no_inbound_for: 30d}
    unless: {labels: [vip, legal], unread: true}
    grace: none
    delete: {from_whatsapp: true, force_local: true}
    limits: {max_chats: 1000, max_share: 100%, canary: off}
  - name: keep-contracts
    action: keep
    when: {labels: [contract]}
"""


def instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def fill(world: Outside, chats: int, *, seed: int, now: datetime | None = None) -> None:
    """`chats` chats over two devices, with every trap of the rules above."""
    for device, alias in DEVICES.items():
        world.add_device(device, alias)
    add(world, range(chats), random.Random(seed), now=now)


def fill_evenly(world: Outside, *, devices: int, going: int, staying: int, seed: int) -> None:
    """So many devices, with exactly so many chats each that have to go and that have to stay."""
    now, rng, numbers = datetime.now(UTC), random.Random(seed), count()
    for number in range(devices):
        device = f"5f0c1d2e3a4b5c6d7e8f{number:04x}"
        world.add_device(device, f"Number {number}")
        kept, wanted = world.chats[device], {True: going, False: staying}
        while any(wanted.values()):
            add(world, [next(numbers)], rng, now=now, devices=[device])
            wid, chat = kept.popitem()
            if wanted[goes(chat, now)]:
                wanted[goes(chat, now)] -= 1
                kept[wid] = chat


def add(
    world: Outside,
    numbers: Iterable[int],
    rng: random.Random,
    *,
    now: datetime | None = None,
    devices: Sequence[str] = tuple(DEVICES),
) -> None:
    """Chats of these numbers, each on one of the devices."""
    now = now or datetime.now(UTC)
    for number in numbers:
        device = rng.choice(devices)
        wid = f"4477009{number:05d}@{'g.us' if rng.random() < 0.1 else 'c.us'}"
        quiet = timedelta(days=rng.choice([3, 20, 29.9, 30.1, 45, 60, 90, 200]))
        chat = {
            "id": wid,
            "type": "group" if wid.endswith("g.us") else "chat",
            "name": f"+44 7700 9{number:05d}" if rng.random() < 0.3 else f"Person {number}",
            "status": rng.choice(["active", "pending", "resolved", "resolved", "resolved", "archived"]),
            "waStatus": "active",
            "statusUpdatedAt": instant(now - timedelta(days=rng.choice([1, 29, 31, 60, 200]))),
            "firstMessageAt": instant(now - quiet - timedelta(days=100)),
            "lastMessageAt": instant(now - quiet),
            "lastInboundMessageAt": instant(now - quiet - timedelta(days=rng.choice([0, 0, 10]))),
            "lastOutboundMessageAt": instant(now - quiet),
            "labels": rng.choice(
                [[], [], [], [], [], ["vip"], ["legal", "x"], ["contract"], ["VIP"], [{"name": "vip"}]]
            ),
            "meta": {
                "isUnread": rng.random() < 0.1,
                "unreadCount": 0,
                "isPinned": rng.random() < 0.05,
                "isLocked": rng.random() < 0.05,
            },
        }
        for field in ("status", "statusUpdatedAt", "lastInboundMessageAt", "type", "lastMessageAt"):
            if rng.random() < 0.03:
                del chat[field]
        if rng.random() < 0.03:
            chat["statusUpdatedAt"] = instant(now + timedelta(days=2))
        if rng.random() < 0.03:
            del chat["meta"]["isUnread"], chat["meta"]["unreadCount"]
        world.chats[device][wid] = chat


def goes(chat: dict, now: datetime, *, resolved_for: timedelta = MONTH) -> bool:
    """Whether `POLICIES` says at `now` that this record must go. Written from the contract, not from the product."""

    def age(field: str) -> timedelta | None:
        text = chat.get(field)
        if text is None:
            return None
        found = now - datetime.fromisoformat(text)
        return found if found >= timedelta(0) else None

    labels = {label["name"] if isinstance(label, dict) else label for label in chat.get("labels", [])}
    meta = chat.get("meta", {})
    resolved, inbound = age("statusUpdatedAt"), age("lastInboundMessageAt")
    ages = [age(f"last{kind}MessageAt") for kind in ("Inbound", "Outbound")] + [age("lastMessageAt")]
    known = [each for each in ages if each is not None]
    return (
        chat.get("type") == "chat"
        and chat.get("status") == "resolved"
        and resolved is not None
        and resolved >= resolved_for
        and inbound is not None
        and inbound >= MONTH
        and bool(known)
        and min(known) >= timedelta(days=7)
        and not labels & {"vip", "legal", "contract"}
        and meta.get("isUnread") is False
        and not meta.get("isPinned")
        and not meta.get("isLocked")
    )


def doomed(world: Outside, now: datetime | None = None) -> set[tuple[str, str]]:
    """(device, wid) of the chats that `POLICIES` says must go."""
    now = now or datetime.now(UTC)
    return {
        (device, wid)
        for device, chats in world.chats.items()
        for wid, chat in chats.items()
        if goes(chat, now)
    }
