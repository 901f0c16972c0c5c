"""The numbers of the account: whether each can be used, how fresh its data is, and what stands in the way of its calls."""

from collections.abc import Iterator

from chat_hygiene.web.page import Content, Group, Page, Sheet, Visit
from chat_hygiene.wiring import numbering
from chat_hygiene.wiring.phrases import BLOCKED


def _read(visit: Visit) -> Content:
    return {
        "numbers": numbering.numbers(visit.ledger, now=visit.now),
        "blocks": BLOCKED,
        "per_minute": visit.ledger.settings.requests_per_minute,
    }


def _rows(visit: Visit) -> Iterator[tuple[object, ...]]:
    for each in numbering.numbers(visit.ledger, now=visit.now):
        yield tuple(each.row[name] for name in _HEADER)


_HEADER = (
    *("device", "alias", "status", "session_status", "last_online_at", "last_sync_at", "last_full_sync_at"),
    *("chats", "uncovered", "paused_until", "blocked_reason", "breaker_until"),
)

PARTS = (
    Page("/devices", "devices", "Numbers", "devices.html", _read, Group.NOW),
    Sheet("/devices.csv", "devices_sheet", _HEADER, _rows),
)
