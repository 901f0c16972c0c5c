"""The dead man's switch: a GET of PING_URL says that work begins, ended well or failed.

The address is an operator's, so it is held to what a public address may be. Its name is looked up once, every answer is
checked, and the connection goes to an address that was checked: a name that answers differently a moment later changes
nothing. The path is the switch's secret and is named nowhere.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import structlog

from chat_hygiene.core.errors import InvalidInputError, ProviderError, UnavailableError
from chat_hygiene.providers.addresses import Address, is_public
from chat_hygiene.providers.http import get_at
from chat_hygiene.settings import Settings

DEADLINE = timedelta(seconds=10)
"""For all of it: looking up, connecting, and the head of the answer."""

Resolve = Callable[[str, int], list[str]]
"""(host, port) to its IP addresses. Raises OSError."""

_PORTS = {"https": 443, "http": 80}
_log = structlog.get_logger(__name__)


def look_up(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Signal(StrEnum):
    """What the switch is told, as the segment that is added to the address."""

    START = "/start"
    SUCCESS = ""
    FAIL = "/fail"


def ping(settings: Settings, signal: Signal = Signal.SUCCESS, *, resolve: Resolve = look_up) -> bool:
    """GETs PING_URL once; True when it answered 2xx, False otherwise and when there is nothing to say.

    A switch of plain style hears of success alone. Takes ten seconds at most. Never raises: a failure is one warning in the log.
    """
    if settings.ping_url is None or (signal and settings.ping_style == "plain"):
        return False
    url = settings.ping_url.get_secret_value()
    try:
        target = _target(url)
        if signal:
            target = target._replace(path=f"{target.path.rstrip('/')}{signal.value}", fragment="")
            url = target.geturl()
        _visit(url, target, resolve, private=settings.allow_private_targets)
    except (InvalidInputError, ProviderError, OSError, ValueError) as error:
        reason = str(error) if isinstance(error, InvalidInputError | ProviderError) else _plain(error)
        _log.warning("PING_URL was not reached", host=_host(url), reason=reason)
        return False
    return True


def _visit(url: str, target: SplitResult, resolve: Resolve, *, private: bool) -> None:
    started = time.monotonic()
    host, port = target.hostname or "", target.port or _PORTS[target.scheme]
    addresses = [ip_address(each) for each in _within(lambda: resolve(host, port))]
    for address in addresses:
        if target.scheme == "http" and not address.is_loopback:
            raise InvalidInputError("http:// is for loopback only: use https://")
        if not private and not is_public(address):
            raise InvalidInputError(
                "its name leads to an address that is not public; set ALLOW_PRIVATE_TARGETS if it is meant"
            )
    left = DEADLINE.total_seconds() - (time.monotonic() - started)
    status = asyncio.run(_first_answer(url, addresses, left))
    if not 200 <= status < 300:
        raise UnavailableError(f"it answered {status}")


async def _first_answer(url: str, addresses: list[Address], seconds: float) -> int:
    """The status from the first address that takes a connection."""
    failure = UnavailableError("its name has no address")
    async with asyncio.timeout(seconds):
        for address in dict.fromkeys(addresses):
            try:
                return await get_at(url, str(address), connect=DEADLINE / 3)
            except UnavailableError as error:  # nothing was sent: the next one may be tried
                failure = error
    raise failure


def _target(url: str) -> SplitResult:
    """Raises InvalidInputError or ValueError."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInputError("it may hold only ASCII without spaces; write a name as xn--…")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise InvalidInputError("it must start with https://")
    if not parts.hostname or "@" in parts.netloc or "\\" in url:
        raise InvalidInputError(
            "it must be a URL with a host and without a user, like https://ping.example/ID"
        )
    return parts


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _plain(error: Exception) -> str:
    match error:
        case TimeoutError():
            return f"no answer within {DEADLINE.total_seconds():g} s"
        case socket.gaierror():
            return "its name is not known"
        case OSError():
            return "its name could not be looked up"
    return "it is not a valid URL"


def _within(work: Callable[[], list[str]]) -> list[str]:
    """Its result. Raises TimeoutError, and what it raises."""
    answer: Future[list[str]] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            answer.set_exception(error)

    # A look-up cannot be interrupted: one that hangs is left behind, and must not keep the process.
    threading.Thread(target=run, name="ping-look-up", daemon=True).start()
    return answer.result(DEADLINE.total_seconds())
