"""The port: what the pipeline asks of a chat provider.

A new provider implements these three protocols and passes `tests/contract/conformance`.

Reading, deleting and subscribing are separate, so that a process that only looks (preview, explain, sync, doctor) holds
no object that can delete. Every method raises only `core.errors.ProviderError`s, ends within its deadline, and hides no retry.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from chat_hygiene.core.facts import ChatFacts, DeviceFacts


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a chat listing."""

    chats: tuple[ChatFacts, ...]
    size: int
    """Items in the answer, before any was skipped: a page shorter than asked is the last one."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a webhook tells: this chat changed, or something about the number (`wid` None). A hint to read, no fact."""

    device: str
    wid: str | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A registered webhook. Its URL may hold a secret. `active` None: the answer did not say."""

    id: str
    name: str | None
    url: str | None
    events: tuple[str, ...]
    active: bool | None


class Reader(Protocol):
    """Reads an account's devices and chats."""

    name: str

    @property
    def clock_skew(self) -> timedelta | None:
        """Server clock minus ours, from the last answer's `Date`; None before the first answer."""
        ...

    async def devices(self) -> list[DeviceFacts]:
        """All devices of the account."""
        ...

    async def device(self, device: str) -> DeviceFacts:
        """One device. Raises NotFoundError when the account no longer has it."""
        ...

    async def chats(self, device: str, *, page: int, size: int) -> Page:
        """Page `page` (from 0) of the device's chats, newest activity first."""
        ...

    async def chat(self, device: str, wid: str) -> ChatFacts:
        """One chat, fresh. Raises NotFoundError; BadAnswerError when the answer is about another chat."""
        ...

    async def aclose(self) -> None:
        """Closes its connections."""
        ...


class Deleter(Protocol):
    """Deletes chats. Only drain is handed one."""

    async def delete(
        self, device: str, wid: str, *, from_whatsapp: bool, force: bool, not_after: datetime
    ) -> None:
        """Asks once for the removal of a chat; returning means the service answered 2xx, not that it is gone.

        A request that could leave only after `not_after` is not sent: TooLateError. `force` needs `from_whatsapp`: mark the chat as removed on the platform if WhatsApp refuses.
        """
        ...

    async def aclose(self) -> None:
        """Closes its connections."""
        ...


class Subscriber(Protocol):
    """Has the provider call us when something changes."""

    async def webhooks(self) -> list[Webhook]:
        """All webhooks of the account, other people's too."""
        ...

    async def register(self, name: str, url: str) -> None:
        """Has `url` called for every event that becomes a `Notice`. Raises ConflictError when it is registered already."""
        ...

    async def aclose(self) -> None:
        """Closes its connections."""
        ...
