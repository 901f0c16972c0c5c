"""Having the provider call us: registers our webhook, and shows which there are. No answer shows the token in a URL."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from chat_hygiene.clock import Clock, utc_now
from chat_hygiene.core.errors import ConflictError, InvalidInputError, UsageError
from chat_hygiene.core.events import Event
from chat_hygiene.providers import registry
from chat_hygiene.providers.base import Subscriber, Webhook
from chat_hygiene.settings import Settings
from chat_hygiene.store import audit
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.wiring.ledger import Ledger

NAME = "chat-hygiene"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook as it may be shown: its URL without what may be a secret. `ours`: it ends in our token."""

    webhook: Webhook
    ours: bool


def subscriptions(settings: Settings, *, clock: Clock = utc_now) -> list[Subscription]:
    """All webhooks of the account. Raises InvalidInputError without an API token, ProviderError."""

    async def work(subscriber: Subscriber) -> list[Webhook]:
        return await subscriber.webhooks()

    token = settings.webhook_token
    return [_shown(each, token) for each in _with_subscriber(settings, clock, work)]


def subscribe(ledger: Ledger, base: str) -> bool:
    """Has the provider call `base`/webhooks/TOKEN. False: it does already, and nothing was done.

    Raises UsageError for a base that cannot be called safely, InvalidInputError without a token of either kind,
    ProviderError.
    """
    settings = ledger.settings
    base, token = _checked(base), settings.webhook_token
    if token is None:
        raise InvalidInputError(
            "CHAT_HYGIENE_WEBHOOK_TOKEN is not set: it is the part of the URL that nobody can guess",
            fix="make one with `openssl rand -hex 32`, and set it here and for the web process",
        )
    url = f"{base}/webhooks/{token.get_secret_value()}"

    async def work(subscriber: Subscriber) -> bool:
        try:
            await subscriber.register(NAME, url)
        except ConflictError:
            if any(each.url == url for each in await subscriber.webhooks()):
                return False
            raise
        return True

    new = _with_subscriber(settings, ledger.context.clock, work)
    if new:
        with ledger.writing() as session:
            detail = {"at": base, "name": NAME}
            audit.append(
                session, Event.WEBHOOK_REGISTERED, at=ledger.now(), actor=settings.actor, detail=detail
            )
    return new


def _with_subscriber(settings: Settings, clock: Clock, work: Callable[[Subscriber], Awaitable[T]]) -> T:
    async def run() -> T:
        subscriber = registry.open_subscriber(settings, clock)
        try:
            return await work(subscriber)
        finally:
            await subscriber.aclose()

    return asyncio.run(run())


def _checked(base: str) -> str:
    try:
        parts = urlsplit(base)
        host, _ = parts.hostname, parts.port  # a port that is none is found only when asked for
    except ValueError:
        host = None
    if not host or not base.isascii() or not base.isprintable() or " " in base:
        raise UsageError("--url is not a URL", fix="give it like https://hygiene.example.org")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise UsageError(
            "--url must start with https:// (http:// only on loopback): the token travels in it",
            fix="put a proxy with a certificate in front of the web process",
        )
    if "@" in parts.netloc or "?" in base or "#" in base:
        raise UsageError(
            "--url must have no user, no ? and no #", fix="give it like https://hygiene.example.org"
        )
    return base.rstrip("/")


def _shown(webhook: Webhook, token: SecretStr | None) -> Subscription:
    url = webhook.url or ""
    ending = None if token is None else f"/webhooks/{token.get_secret_value()}"
    ours = ending is not None and url.endswith(ending)
    shown = f"{url.removesuffix(ending or '')}/webhooks/***" if ours else _origin(url)
    name = None if webhook.name is None else mask_numbers(webhook.name)
    return Subscription(replace(webhook, url=shown, name=name), ours)


def _origin(url: str) -> str | None:
    # Of another's URL any part but the server may be a secret.
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.hostname}/…" if parts.hostname else None
