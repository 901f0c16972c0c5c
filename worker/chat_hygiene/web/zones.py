"""The viewer's zone: a cookie that the page's footer sets, or the browser by a few lines of script; UTC without one."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from markupsafe import Markup

from chat_hygiene.core.words import span

COOKIE = "chat_hygiene_zone"
DEFAULT = "UTC"


@cache
def names() -> tuple[str, ...]:
    """Every zone that can be chosen: areas with a city, and UTC."""
    areas = (
        "Africa/",
        "America/",
        "Antarctica/",
        "Asia/",
        "Atlantic/",
        "Australia/",
        "Europe/",
        "Indian/",
        "Pacific/",
    )
    return (DEFAULT, *sorted(name for name in available_timezones() if name.startswith(areas)))


def chosen(cookies: Mapping[str, str]) -> ZoneInfo:
    """The zone of whoever sent these cookies."""
    name = cookies.get(COOKIE, DEFAULT).replace("%2F", "/")
    return ZoneInfo(name if name in names() else DEFAULT)


def moment(at: datetime | None, zone: ZoneInfo) -> Markup:
    """`2026-05-09 05:00` in that zone, and in UTC on hover; a hyphen for none."""
    return _time(at, "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M}")


def age(at: datetime | None, now: datetime) -> Markup:
    """How long ago, and the instant in UTC on hover; a hyphen for none."""
    return _time(at, distance(at, now))


def distance(at: datetime | None, now: datetime) -> str:
    """`in 3 d`, `12 min ago`, `now`; `never` for none."""
    if at is None:
        return "never"
    if abs(at - now) < timedelta(seconds=1):
        return "now"
    return f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"


def _time(at: datetime | None, words: str) -> Markup:
    if at is None:
        return Markup('<span class="none">-</span>')
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{:%Y-%m-%dT%H:%M:%SZ}" title="{:%Y-%m-%d %H:%M:%S} UTC">{}</time>').format(
        utc, utc, words
    )
