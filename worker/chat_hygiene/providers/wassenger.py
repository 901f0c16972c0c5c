"""The Wassenger API: its routes, its flags and where they travel. The only place that knows them.

What could not be proven without a live key (see the table) is one line here.
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import SecretStr

from chat_hygiene.clock import Clock
from chat_hygiene.core.errors import BadAnswerError
from chat_hygiene.core.facts import ChatFacts, DeviceFacts
from chat_hygiene.providers.base import Page, Webhook
from chat_hygiene.providers.http import JsonClient, Route
from chat_hygiene.providers.wassenger_parse import parse_chat, parse_device, parse_webhook, readable_labels
from chat_hygiene.settings import Settings

DEVICES = Route("GET", "/devices")
DEVICE = Route("GET", "/devices/{device}")
CHATS = Route("GET", "/chat/{device}/chats")
CHAT = Route("GET", "/chat/{device}/chats/{wid}")
DELETE_CHAT = Route("DELETE", "/chat/{device}/chats/{wid}")
WEBHOOKS = Route("GET", "/webhooks")
NEW_WEBHOOK = Route("POST", "/webhooks")

NEWEST_FIRST = {"sort": "lastMessageAt:desc"}
FLAG_FROM_WHATSAPP = "whatsapp"
FLAG_FORCE = "force"
FLAGS_TRAVEL_AS: Literal["json", "query"] = "json"
EVENTS = ("chat:update", "message:in:new", "message:out:new", "message:out:sent", "number:session")
"""What a policy can look at changes with these."""


class WassengerReader:
    """Reads an account's devices and chats; see `base.Reader`."""

    name = "wassenger"

    def __init__(self, settings: Settings, token: SecretStr, now: Clock) -> None:
        self._clients = _Clients(settings.api_url, token, now, settings.read_deadline_seconds)
        self._page_size = settings.page_size

    @property
    def clock_skew(self) -> timedelta | None:
        """Server clock minus ours, from the last answer's `Date`."""
        return self._clients.clock_skew

    async def devices(self) -> list[DeviceFacts]:
        """All devices, page by page until one is short."""
        found: dict[str, DeviceFacts] = {}
        page = 0
        while True:
            query: dict[str, str | int] = {"page": page, "size": self._page_size}
            shown = await self._clients.of(None).fetch_list(DEVICES, {}, parse_device, query=query)
            known = len(found)
            found |= {device.device: device for device in shown}
            # Nothing new ends it too: a server that ignores `page` would be read for ever.
            if len(shown) < self._page_size or len(found) == known:
                return list(found.values())
            page += 1

    async def device(self, device: str) -> DeviceFacts:
        """One device. Raises NotFoundError."""
        facts = parse_device(await self._clients.of(device).fetch(DEVICE, {"device": device}))
        if facts.device != device:
            raise BadAnswerError(f"{DEVICE} answered with another number than the one asked for")
        return facts

    async def chats(self, device: str, *, page: int, size: int) -> Page:
        """One page of the listing; an item without a usable id spoils all of it."""
        query: dict[str, str | int] = {"page": page, "size": size, **NEWEST_FIRST}
        shown = await self._clients.of(device).fetch_list(CHATS, {"device": device}, parse_chat, query=query)
        return Page(chats=tuple(shown), size=len(shown))

    async def chat(self, device: str, wid: str) -> ChatFacts:
        """One chat, fresh. Raises NotFoundError; BadAnswerError for another chat, or labels that cannot be read."""
        item = await self._clients.of(device).fetch(CHAT, {"device": device, "wid": wid})
        facts = parse_chat(item)
        if facts.wid != wid:
            raise BadAnswerError(f"{CHAT} answered with another chat than the one asked for")
        if not readable_labels(item):
            raise BadAnswerError(
                f"{CHAT} answered with labels that cannot be read, and labels protect a chat"
            )
        return facts

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._clients.aclose()


class WassengerDeleter:
    """Deletes chats; see `base.Deleter`."""

    def __init__(self, settings: Settings, token: SecretStr, now: Clock) -> None:
        self._clients = _Clients(settings.api_url, token, now, settings.delete_deadline_seconds)

    async def delete(
        self, device: str, wid: str, *, from_whatsapp: bool, force: bool, not_after: datetime
    ) -> None:
        """Asks once for the removal. Without flags nothing is attached. Raises ValueError for force alone."""
        if force and not from_whatsapp:
            raise ValueError("force means 'even if WhatsApp refuses', so it needs from_whatsapp")
        flags = {FLAG_FROM_WHATSAPP: from_whatsapp, FLAG_FORCE: force}
        given = {name: value for name, value in flags.items() if value}
        attached = {FLAGS_TRAVEL_AS: given} if given else {}
        client = self._clients.of(device)
        await client.send(DELETE_CHAT, {"device": device, "wid": wid}, not_after=not_after, **attached)

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._clients.aclose()


class WassengerSubscriber:
    """Registers webhooks; see `base.Subscriber`."""

    def __init__(self, settings: Settings, token: SecretStr, now: Clock) -> None:
        self._clients = _Clients(settings.api_url, token, now, settings.read_deadline_seconds)

    async def webhooks(self) -> list[Webhook]:
        """All webhooks of the account."""
        return await self._clients.of(None).fetch_list(WEBHOOKS, {}, parse_webhook)

    async def register(self, name: str, url: str) -> None:
        """Has `url` called. Raises ConflictError when it is registered already."""
        wanted = {"name": name, "url": url, "events": list(EVENTS)}
        await self._clients.of(None).send(NEW_WEBHOOK, {}, json=wanted)

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._clients.aclose()


class _Clients:
    """A client per device, so that a slow one holds nobody else's connections, and one for the account (None)."""

    def __init__(self, api_url: str, token: SecretStr, now: Clock, deadline: timedelta) -> None:
        self.clock_skew: timedelta | None = None
        self._api_url = api_url
        self._token = token
        self._now = now
        self._deadline = deadline
        self._by_device: dict[str | None, JsonClient] = {}

    def of(self, device: str | None) -> JsonClient:
        if device not in self._by_device:
            self._by_device[device] = JsonClient(
                self._api_url,
                token=self._token,
                deadline=self._deadline,
                now=self._now,
                on_skew=self._note_skew,
            )
        return self._by_device[device]

    def _note_skew(self, skew: timedelta) -> None:
        self.clock_skew = skew

    async def aclose(self) -> None:
        for client in self._by_device.values():
            await client.aclose()
