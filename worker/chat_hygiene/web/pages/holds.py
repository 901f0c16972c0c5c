"""Holds: placing one on a chat, and releasing it."""

from datetime import timedelta

from chat_hygiene.core.words import count
from chat_hygiene.web.page import Content, Deed, MissingError, Visit
from chat_hygiene.wiring import holding

LASTING = {"": None, "30": timedelta(days=30), "90": timedelta(days=90), "365": timedelta(days=365)}
"""For how long a hold on a chat can be placed here, in days; empty: until it is released."""


def _ask_hold(visit: Visit) -> Content:
    if not visit.text("chat").startswith("chat_"):
        raise MissingError("there is no such chat")
    lead = [
        "The chat stays, whatever any policy says, until the hold is released or its end comes.",
        "It leaves the list at once. A call that is out already is finished.",
    ]
    return {"lead": lead, "verb": "Hold this chat", "hidden": {"chat": visit.text("chat")}}


def _hold(visit: Visit) -> str:
    aim = holding.aim(visit.ledger, chat=visit.text("chat"), on=None)
    lasting = LASTING.get(visit.text("for"))
    placed = holding.place(
        visit.ledger,
        aim,
        reason=visit.text("reason"),
        until=None if lasting is None else visit.now + lasting,
        progress=lambda _done, _of: None,
    )
    if placed.too_late:
        return "The chat is held, but a call for it is out already: look at its story for what came of it."
    gone = placed.cancelled + placed.at_the_gate
    off = f", and {count(gone, 'deletion')} of it {'is' if gone == 1 else 'are'} off the list" if gone else ""
    return f"The chat is held{off}." if placed.new else f"The chat was held already{off}."


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
    Deed("/holds/new", "hold", "Hold a chat", _ask_hold, _hold, back="/leaving", template="hold.html"),
    Deed(
        "/holds/{hold}/release",
        "release",
        "Release a hold",
        _ask_release,
        _release,
        back="/leaving",
        template="release.html",
    ),
)
