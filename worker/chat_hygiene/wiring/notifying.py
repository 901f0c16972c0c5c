"""Telling people: what began to be wrong, what is over, and a digest; and whether they can be told at all.

What is to be told is taken on in a row before it is sent and marked after: somebody is told again only if a process dies in
between. It counts as told once one address took it: people are not told twice because another address failed.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from chat_hygiene.core.errors import InvalidInputError
from chat_hygiene.pipeline import incidents
from chat_hygiene.pipeline.context import Context
from chat_hygiene.providers import notify
from chat_hygiene.providers.notify import Delivery
from chat_hygiene.settings import Settings
from chat_hygiene.store import digests
from chat_hygiene.store import incidents as rows
from chat_hygiene.store.engine import reading
from chat_hygiene.wiring import wording
from chat_hygiene.wiring.health import SILENCE
from chat_hygiene.wiring.wording import Message
from chat_policies import next_fire

MISSING = "NOTIFY_URLS is set, but what sends messages is not installed"
INSTALL = "pip install 'chat-hygiene[notify]'"
_DAYS = {"daily": "*", "weekly": "1"}
"""On which days of the week there is a digest, as a schedule says it."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """How many incidents people were told of, as begun and as over, and whether they got a digest."""

    began: int = 0
    ended: int = 0
    digest: bool = False


def run(context: Context, *, now: datetime) -> Told:
    """Looks what is wrong, and tells what nobody was told yet. Does nothing where nobody is to be told."""
    if not context.settings.notify_addresses or not notify.installed():
        return Told()
    began, ended = _tell_news(context, now=now)
    return Told(began, ended, _tell_digest(context, now=now))


def try_out(settings: Settings) -> list[Delivery]:
    """Sends a test message to every address. Raises InvalidInputError when there is none, or nothing to send it with."""
    if not settings.notify_addresses:
        raise InvalidInputError(
            "CHAT_HYGIENE_NOTIFY_URLS is not set: nobody is told anything",
            fix="set it to the address of a service, like tgram://TOKEN/CHAT or mailto://USER:PASSWORD@HOST",
        )
    if not notify.installed():
        raise InvalidInputError(MISSING, fix=INSTALL)
    return _send(settings, wording.trial())


def services(settings: Settings) -> list[str | None] | None:
    """The service of each address, None for one that no service is known by; None: nothing is installed to send with."""
    return notify.services(settings.notify_addresses) if notify.installed() else None


def _tell_news(context: Context, *, now: datetime) -> tuple[int, int]:
    news = incidents.run(context, now=now, silence=SILENCE)
    if not news:
        return 0, 0
    settings = context.settings
    message = wording.news(
        news.began,
        news.ended,
        others=news.others,
        zone=ZoneInfo(settings.notify_timezone),
        page=settings.web_url,
    )
    if not _reached(settings, message):
        return 0, 0
    incidents.told(context, news, now=now)
    return len(news.began), len(news.ended)


def _tell_digest(context: Context, *, now: datetime) -> bool:
    settings = context.settings
    if settings.notify_digest == "off":
        return False
    slot = _due(context, now=now)
    if slot is None:
        return False
    until = next_fire(_schedule(settings), settings.notify_timezone, now)
    with reading(context.sessions) as session:
        facts = digests.facts(session, since=slot.since, at=slot.at, now=now, until=until)
        known = rows.load(session)
    message = wording.digest(
        facts,
        [each for each in known if each.told_at is not None and each.closed_at is None],
        since=slot.since,
        at=slot.at,
        until=until,
        zone=ZoneInfo(settings.notify_timezone),
        page=settings.web_url,
    )
    if not _reached(settings, message):
        return False
    with context.sessions.begin() as session:
        digests.told(session, slot.at, now=now)
    return True


def _due(context: Context, *, now: datetime) -> digests.Slot | None:
    """The digest to tell now, taken on."""
    with reading(context.sessions) as session:
        newest = digests.slot(session)
    at = None if newest is None else _latest(context.settings, newest.at, now)
    if newest is not None and at is None and newest.told:
        return None
    with context.sessions.begin() as session:
        if newest is None:
            digests.begin(session, now=now)
        elif at is not None:
            digests.advance(session, newest, at)
        return digests.claim(session, now=now)


def _latest(settings: Settings, after: datetime, now: datetime) -> datetime | None:
    """The last instant of a digest after `after` and not after `now`."""
    found = None
    while (after := next_fire(_schedule(settings), settings.notify_timezone, after)) <= now:
        found = after
    return found


def _schedule(settings: Settings) -> str:
    return f"0 {settings.notify_hour} * * {_DAYS[settings.notify_digest]}"


def _reached(settings: Settings, message: Message) -> bool:
    """Whether anybody was; each address that failed is one line of the log."""
    deliveries = _send(settings, message)
    for each in deliveries:
        if each.problem is not None:
            _log.warning(
                "a message did not arrive", address=each.place, service=each.service, reason=each.problem
            )
    return any(each.problem is None for each in deliveries)


def _send(settings: Settings, message: Message) -> list[Delivery]:
    return notify.send(
        settings.notify_addresses,
        title=message.title,
        body=message.body,
        mood=message.mood.value,
        private=settings.allow_private_targets,
    )
