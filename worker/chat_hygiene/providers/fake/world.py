"""The state behind the fake: numbers, chats on the platform and inside WhatsApp, scripted faults, the request log.

Tests and the demo change it from their own thread while the server answers from its own, so every method takes the
same lock. What a call does to the state is in `api`; how an answer reaches the client in `server`.
"""

import copy
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from chat_hygiene.clock import Clock
from chat_hygiene.providers.fake.faults import Fault
from chat_hygiene.providers.fake.messages import Call, Seen
from chat_hygiene.providers.fake.records import Record, api_time


@dataclass(slots=True)
class Chat:
    """A chat and where it still is."""

    record: Record
    on_platform: bool = True
    in_whatsapp: bool = True
    refused: bool = False


@dataclass(slots=True)
class _Scripted:
    fault: Fault
    count: int = 0


@dataclass
class World:
    """One account. `removed_chats` says how the platform treats what it removed: 404, or listed with status removed."""

    now: Clock
    token: str = field(default="fake-token", repr=False)
    removed_chats: Literal["gone", "listed"] = "gone"
    no_plan_status: Literal[402, 403] = 402
    devices: dict[str, Record] = field(default_factory=dict)
    webhooks: list[Record] = field(default_factory=list)
    """Registered; none is ever called."""
    _chats: dict[str, dict[str, Chat]] = field(default_factory=dict)
    _orders: dict[str, dict[str, list[Chat]]] = field(default_factory=dict)
    """Of each number whose chats stand still: them in the orders that were asked for. A large account is sorted once."""
    _thinned: set[str] = field(default_factory=set)
    """Numbers of which a chat was removed."""
    _script: list[_Scripted] = field(default_factory=list)
    _log: list[Seen] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the world still for a while; may be nested."""
        with self._changed:
            yield

    def add_device(self, record: Record) -> None:
        """Adds a number, in the API's spelling."""
        with self.locked():
            self.devices[record["id"]] = record

    def set_session(self, device: str, status: str) -> None:
        """`online`, or anything else: WhatsApp cannot be reached through it, and says 503."""
        with self.locked():
            self.devices[device]["session"]["status"] = status

    def add_chat(self, device: str, record: Record) -> None:
        """Adds a chat, in the API's spelling; only `id` is needed."""
        with self.locked():
            self._chats.setdefault(device, {})[record["id"]] = Chat(record)
            self._orders.pop(device, None)

    def change_chat(self, device: str, wid: str, **fields: object) -> None:
        """Sets fields of a chat, in the API's spelling."""
        with self.locked():
            self._chats[device][wid].record |= fields
            self._orders.pop(device, None)

    def refuse(self, device: str, wid: str, *, refused: bool = True) -> None:
        """From now on WhatsApp refuses to delete this chat (400), or no longer."""
        with self.locked():
            self._chats[device][wid].refused = refused

    def message_arrives(self, device: str, wid: str, at: datetime | None = None) -> None:
        """The customer writes, now unless said otherwise; the chat is (again) on the platform, active and unread."""
        with self.locked():
            chat = self._chats[device][wid]
            moment = api_time((at or self.now()).astimezone(UTC))
            chat.record |= {"status": "active", "waStatus": "active", "statusUpdatedAt": moment}
            chat.record |= {"lastMessageAt": moment, "lastInboundMessageAt": moment}
            chat.record["meta"] = {**chat.record.get("meta", {}), "unreadCount": 1, "isUnread": True}
            chat.on_platform = chat.in_whatsapp = True
            self._orders.pop(device, None)

    def forget(self, device: str, wid: str) -> None:
        """The vendor drops its copy, whatever WhatsApp has: 404, no longer listed."""
        with self.locked():
            del self._chats[device][wid]
            self._orders.pop(device, None)

    def revoke_token(self) -> None:
        """No token is right any more."""
        with self.locked():
            self.token = ""

    def script(self, *faults: Fault) -> None:
        """Adds faults; each counts the calls that fit it from here on."""
        with self.locked():
            self._script += [_Scripted(fault) for fault in faults]

    def clear_script(self) -> None:
        """Everything works again."""
        with self.locked():
            self._script.clear()

    def find(self, device: str, wid: str) -> Chat | None:
        """A copy of a chat and where it still is; None for one that was never there or is forgotten."""
        with self.locked():
            return copy.deepcopy(self.stored_chat(device, wid))

    def chats(self, device: str) -> dict[str, Chat]:
        """Copies of a number's chats by id, wherever they still are."""
        with self.locked():
            return copy.deepcopy(self._chats.get(device, {}))

    def seen(
        self, *, method: str | None = None, route: str | None = None, wid: str | None = None
    ) -> list[Seen]:
        """The request log, oldest first, or a part of it."""
        with self.locked():
            return [
                line
                for line in self._log
                if (method is None or line.call.method == method)
                and (route is None or line.call.route == route)
                and (wid is None or line.call.wid == wid)
            ]

    def wait_until(self, happened: Callable[["World"], bool], *, seconds: float = 30) -> bool:
        """Waits for a request after which `happened(world)` holds; False when the time is over first."""
        with self._changed:
            return self._changed.wait_for(lambda: happened(self), seconds)

    def struck(self, call: Call) -> list[Fault]:
        """The faults that strike this call, each counted. For the server."""
        fitting = [scripted for scripted in self._script if scripted.fault.on.fits(call)]
        for scripted in fitting:
            scripted.count += 1
        return [scripted.fault for scripted in fitting if scripted.fault.on.strikes(scripted.count)]

    def note(self, seen: Seen) -> None:
        """Adds a line to the request log. For the server."""
        with self._changed:
            self._log.append(seen)
            self._changed.notify_all()

    def remove(self, device: str, chat: Chat) -> None:
        """Takes it off the platform. For `api`, under the lock."""
        chat.on_platform = False
        self._thinned.add(device)

    def is_whole(self, device: str) -> bool:
        """Whether none of a number's chats was ever removed. For `api`, under the lock."""
        return device not in self._thinned

    def stored(self, device: str) -> Collection[Chat]:
        """The chats themselves, not copies. Under the lock."""
        return self._chats.get(device, {}).values()

    def ordered(self, device: str, name: str, key: Callable[[Record], Any], *, backwards: bool) -> list[Chat]:
        """The same in an order, which has a name. For `api`, under the lock."""
        orders = self._orders.setdefault(device, {})
        if name not in orders:
            orders[name] = sorted(self.stored(device), key=lambda chat: key(chat.record), reverse=backwards)
        return orders[name]

    def stored_chat(self, device: str, wid: str) -> Chat | None:
        """The chat itself, not a copy. For `api`, under the lock."""
        return self._chats.get(device, {}).get(wid)
