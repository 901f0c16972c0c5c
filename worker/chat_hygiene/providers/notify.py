"""Messages to people, by apprise: one address each for any of its services. An extra: `pip install chat-hygiene[notify]`.

The addresses are an operator's, so they are held to what a public address may be, and redirects are not followed. They hold
secrets, so nothing that the library logs goes out, and a failure is told by the service's name and a status.
"""

import logging
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from chat_hygiene.providers.addresses import public_only

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase
    from apprise.result import NotifyResult

DEADLINE = timedelta(seconds=30)
"""For one message to all addresses, which are tried side by side."""

_ANSWERED = re.compile(r"error=([1-5][0-9]{2})\b")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message at one address: its place among them from 1, its service, and why it failed if it did."""

    place: int
    service: str | None
    problem: str | None


def installed() -> bool:
    """Whether the extra is there."""
    return find_spec("apprise") is not None


def services(addresses: Sequence[str]) -> list[str | None]:
    """The service of each address; None: no service is known by it. Sends nothing."""
    return [None if each is None else str(each.service_name) for each in map(_open, addresses)]


def send(
    addresses: Sequence[str], *, title: str, body: str, mood: str, private: bool = False
) -> list[Delivery]:
    """Sends one message to every address, and says what became of it at each, in their order. Takes `DEADLINE` at most.

    `mood` is info, success or warning; `private`: an address may lead into a private network. Never raises for an address
    or a server that fails.
    """
    from apprise import Apprise, NotifyFormat, NotifyType

    opened = [_open(each, str(place)) for place, each in enumerate(addresses)]
    sender = Apprise(asset=_asset())
    for service in opened:
        if service is not None:
            sender.add(service)
    guard: AbstractContextManager[list[str]] = nullcontext([]) if private else public_only()
    with guard as refused:  # it hands this context on to its threads
        result = sender.notify(
            body,
            title=title,
            notify_type=NotifyType(mood),
            body_format=NotifyFormat.TEXT.value,
            timeout=DEADLINE.total_seconds(),
        )
    # Whoever failed first may stand first: the tag says which address it was.
    found = {tag: each for each in result for tag in each.tag}
    return [
        Delivery(place + 1, None if service is None else str(service.service_name), problem)
        for place, service in enumerate(opened)
        for problem in [_problem(service, found.get(str(place)), private_refused=bool(refused))]
    ]


def _problem(
    service: "NotifyBase | None", result: "NotifyResult | None", *, private_refused: bool
) -> str | None:
    from apprise import AppriseResultStatus

    if service is None:
        return "no service is known by this address"
    if result is None:
        return "it was not tried"
    if result:
        return None
    if result.status is AppriseResultStatus.TIMEOUT:
        return f"no answer within {DEADLINE.total_seconds():g} s"
    said = " ".join(entry.message for attempt in result for entry in attempt)
    if status := _ANSWERED.search(said):
        return f"it answered {status[1]}"
    if private_refused:
        # Which one it was, the library does not say.
        return "not reached; where its name leads to a private network, ALLOW_PRIVATE_TARGETS has to be set"
    return "it could not be reached" if "onnection error" in said else "it did not take the message"


def _open(address: str, tag: str = "") -> "NotifyBase | None":
    from apprise import Apprise

    return Apprise.instantiate(address, asset=_asset(), tag=tag or None, suppress_exceptions=True)


@cache
def _asset() -> "AppriseAsset":
    from apprise import AppriseAsset

    # What it logs may hold parts of an address. It says the same in its results, of which we take little.
    logging.getLogger("apprise").propagate = False
    return AppriseAsset(
        app_id="chat-hygiene",
        app_desc="chat-hygiene",
        http_redirects=False,
        interpret_emojis=False,
        language="en",
        storage_mode="memory",
        timezone="UTC",
    )
