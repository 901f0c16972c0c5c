"""Holds: what stays whatever a policy says, placing a hold on a chat, a label or a number, and releasing one."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

from chat_hygiene.core.errors import UsageError
from chat_hygiene.core.words import count
from chat_hygiene.store.records import Record
from chat_hygiene.web import paging, sheets
from chat_hygiene.web.page import Content, Deed, Group, MissingError, Page, Sheet, Visit
from chat_hygiene.wiring import holding, numbering
from chat_hygiene.wiring.holding import Aim

LASTING = {"": None, "30": timedelta(days=30), "90": timedelta(days=90), "365": timedelta(days=365)}
"""For how long a hold can be placed here, in days; empty: until it is released."""

_STAYS = (
    "What it covers stays, whatever any policy says, until the hold is released or its end comes.",
    "It leaves the list at once. A call that is out already is finished.",
)


def _read(visit: Visit) -> Content:
    ended = bool(visit.text("ended"))
    before = visit.number("before") if visit.text("before") else None
    found = holding.listed(visit.ledger, ended=ended, before=before, limit=paging.SIZE + 1)
    more, found = len(found) > paging.SIZE, found[: paging.SIZE]
    chosen = {"ended": "yes"} if ended else {}
    return {
        "holds": found,
        "ended": ended,
        "query": urlencode(chosen),
        "next": urlencode({**chosen, "before": found[-1]["id"]}) if more else None,
        "first": before is None,
    }


def _rows(visit: Visit) -> Iterator[tuple[object, ...]]:
    for row in holding.listed(visit.ledger, ended=True, limit=sheets.MOST + 1):
        yield tuple(_cell(row, name, typed=visit.operator) for name in _HEADER)


def _cell(row: Record, name: str, *, typed: bool) -> object:
    if name == "label" and not typed:
        return None
    return row["id" if name == "hold_id" else name]


_HEADER = ("hold_id", "scope", "chat_ref", "label", "device", "held_by", "placed_at", "until", "released_at")


def _ask_hold(visit: Visit) -> Content:
    if not visit.text("chat").startswith("chat_"):
        raise MissingError("there is no such chat")
    return {"lead": _STAYS, "verb": "Hold this chat", "hidden": {"chat": visit.text("chat")}}


def _hold(visit: Visit) -> str:
    return _placed(visit, holding.aim(visit.ledger, chat=visit.text("chat"), on=None))


def _ask_place(visit: Visit) -> Content:
    numbers = [each.row for each in numbering.numbers(visit.ledger, now=visit.now)]
    return {"lead": _STAYS, "verb": "Place the hold", "hidden": {}, "numbers": numbers}


def _place(visit: Visit) -> str:
    scope, named, on = visit.text("scope"), visit.text("named"), visit.text("on") or None
    if scope == "device":
        if on is None:
            raise UsageError("no number is chosen", fix="choose the number whose chats are to stay")
        return _placed(visit, holding.aim(visit.ledger, device=on, on=None))
    if not named:
        raise UsageError("nothing is named", fix="type the chat's number or pseudonym, or the label")
    if scope == "label":
        return _placed(visit, holding.aim(visit.ledger, label=named, on=on))
    return _placed(visit, holding.aim(visit.ledger, chat=named, on=on))


def _placed(visit: Visit, aim: Aim) -> str:
    lasting = LASTING.get(visit.text("for"))
    placed = holding.place(
        visit.ledger,
        aim,
        reason=visit.text("reason"),
        until=None if lasting is None else visit.now + lasting,
        progress=lambda _done, _of: None,
    )
    what = {"chat": "The chat", "label": "The label", "device": "The number"}[aim.targets[0].scope]
    if placed.too_late:
        calls = count(len(placed.too_late), "call")
        are = "is" if len(placed.too_late) == 1 else "are"
        return f"{what} is held, but {calls} {are} out already: Failures and Deleted tell what came of it."
    gone = placed.cancelled + placed.at_the_gate
    off = f", and {count(gone, 'deletion')} of it {'is' if gone == 1 else 'are'} off the list" if gone else ""
    if not placed.stored:
        return f"{what} is not here yet: the hold waits for it."
    return f"{what} is held{off}." if placed.new else f"{what} was held already{off}."


def _ask_release(visit: Visit) -> Content:
    number = visit.number("hold")
    found = holding.listed(visit.ledger, ended=True, hold_ids=[number])
    if not found:
        raise MissingError(f"there is no hold {number}")
    lead = [
        "What it covered may leave again if a policy still matches it.",
        "Nothing leaves at once: a run of the policy queues it with a fresh grace of a day at least.",
    ]
    return {"lead": lead, "verb": "Release the hold", "hidden": {}, "hold": found[0]}


def _release(visit: Visit) -> str:
    number = visit.number("hold")
    holding.release(visit.ledger, [number], reason=visit.text("reason"))
    return f"Hold {number} is released."


PARTS = (
    Page("/holds", "holds", "Holds", "holds.html", _read, Group.RULES),
    Sheet("/holds.csv", "holds_sheet", _HEADER, _rows),
    Deed("/holds/new", "hold", "Hold a chat", _ask_hold, _hold, back="/leaving", template="hold.html"),
    Deed("/holds/place", "place", "Place a hold", _ask_place, _place, back="/holds", template="place.html"),
    Deed(
        "/holds/{hold}/release",
        "release",
        "Release a hold",
        _ask_release,
        _release,
        back="/holds",
        template="release.html",
    ),
)
