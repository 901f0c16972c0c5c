"""Leaving soon: which chats are to go, when, and what keeps them back; a hold takes one off the list."""

from collections.abc import Iterator
from urllib.parse import urlencode

from chat_hygiene.store.tallies import MOST
from chat_hygiene.web import paging
from chat_hygiene.web.page import Content, Group, Page, Sheet, Visit
from chat_hygiene.wiring import listing

BLOCKS = {
    "stopped": "stopped, or its policy is paused",
    "hold": "under a hold",
    "refused": "WhatsApp refused once; asked again",
    "offline": "its number cannot be used now",
    "brake": "a brake withholds it",
    "stale": "its data is too old to delete by",
}
"""What keeps a chat back, in words: `blocked_by` of report_v1_upcoming."""


def _read(visit: Visit) -> Content:
    chosen = {name: visit.text(name) for name in ("policy", "device") if visit.text(name)}
    soon = listing.leaving_soon(
        visit.ledger,
        policy=chosen.get("policy"),
        device=chosen.get("device"),
        after=paging.read(visit.text("after")),
        size=paging.SIZE,
        most=MOST,
    )
    key = paging.written(soon.next)
    return {
        "soon": soon,
        "blocks": BLOCKS,
        "chosen": chosen,
        "query": urlencode(chosen),
        "next": key and urlencode({**chosen, "after": key}),
        "first": not visit.text("after"),
    }


def _rows(visit: Visit) -> Iterator[tuple[object, ...]]:
    found = listing.all_leaving(
        visit.ledger, policy=visit.text("policy") or None, device=visit.text("device") or None
    )
    for row in found:
        yield tuple(row[name] for name in _HEADER)


_HEADER = ("not_before", "policy", "device", "chat_ref", "chat_hint", "matched_at", "blocked_by")

PARTS = (
    Page("/leaving", "leaving", "Leaving soon", "leaving.html", _read, Group.NOW),
    Sheet("/leaving.csv", "leaving_sheet", _HEADER, _rows),
)
