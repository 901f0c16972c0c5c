"""The providers there are. A new one is a line in `PROVIDERS`, and done when it passes `tests/contract/conformance`."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from chat_hygiene.clock import Clock
from chat_hygiene.core.errors import InvalidInputError, SafetyStopError
from chat_hygiene.providers.base import Deleter, Notice, Reader, Subscriber
from chat_hygiene.providers.wassenger import WassengerDeleter, WassengerReader, WassengerSubscriber
from chat_hygiene.providers.wassenger_parse import parse_notice
from chat_hygiene.settings import Settings

DEFAULT = "wassenger"


@dataclass(frozen=True, slots=True)
class Provider:
    """How to get a provider's three sides, and how to read what it tells by webhook."""

    reader: Callable[[Settings, SecretStr, Clock], Reader]
    deleter: Callable[[Settings, SecretStr, Clock], Deleter]
    subscriber: Callable[[Settings, SecretStr, Clock], Subscriber]
    notice: Callable[[object], Notice | None]


PROVIDERS = {
    DEFAULT: Provider(
        reader=WassengerReader,
        deleter=WassengerDeleter,
        subscriber=WassengerSubscriber,
        notice=parse_notice,
    )
}


def open_reader(settings: Settings, clock: Clock) -> Reader:
    """A reader of the account in the settings. Raises InvalidInputError without a usable API token."""
    return PROVIDERS[DEFAULT].reader(settings, _token(settings), clock)


def open_deleter(settings: Settings, clock: Clock) -> Deleter:
    """The only way to get something that can delete. Raises SafetyStopError when the settings are read-only."""
    if settings.read_only:
        raise SafetyStopError(
            "CHAT_HYGIENE_READ_ONLY is set, so nothing can be deleted", fix="unset it to delete for real"
        )
    return PROVIDERS[DEFAULT].deleter(settings, _token(settings), clock)


def open_subscriber(settings: Settings, clock: Clock) -> Subscriber:
    """What registers webhooks. Raises InvalidInputError without a usable API token."""
    return PROVIDERS[DEFAULT].subscriber(settings, _token(settings), clock)


def notice(body: object) -> Notice | None:
    """What the JSON of a webhook tells; None for anything that we do not follow, of whatever shape."""
    return PROVIDERS[DEFAULT].notice(body)


def _token(settings: Settings) -> SecretStr:
    if settings.api_token is None:
        raise InvalidInputError(
            "there is no API token",
            fix="set CHAT_HYGIENE_API_TOKEN, or CHAT_HYGIENE_API_TOKEN_FILE to a file that holds it",
        )
    text = settings.api_token.get_secret_value()
    # Checked here, because an HTTP library quotes a header value that it refuses.
    if not (text.isascii() and text.isprintable() and text and " " not in text):
        raise InvalidInputError(
            "CHAT_HYGIENE_API_TOKEN holds a space, a line break or another character that cannot be sent",
            fix="copy the key again",
        )
    return settings.api_token
