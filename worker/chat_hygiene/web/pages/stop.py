"""Stopping all deleting, and letting it go on."""

from chat_hygiene.core.words import count
from chat_hygiene.web.page import Content, Deed, Visit
from chat_hygiene.wiring import stopping


def _ask_stop(_visit: Visit) -> Content:
    lead = [
        "No further chat is deleted, by any policy, run or person, until somebody starts it again.",
        "The calls that are out are finished. Syncs and evaluations go on, and queue nothing.",
    ]
    return {"lead": lead, "verb": "Stop all deleting", "hidden": {}}


def _stop(visit: Visit) -> str:
    stop, new = stopping.stop(visit.ledger, reason=visit.text("reason"))
    return "Deleting is stopped." if new else f"Deleting was stopped already, by {stop.actor}, and stays so."


def _ask_start(visit: Visit) -> Content:
    due = stopping.due(visit.ledger)
    are = "is" if due == 1 else "are"
    lead = [f"Deleting goes on as the policies say. {count(due, 'deletion')} {are} due at once."]
    return {"lead": lead, "verb": "Let deleting go on", "hidden": {}}


def _start(visit: Visit) -> str:
    ended = stopping.start(visit.ledger, reason=visit.text("reason"))
    return "Deleting goes on." if ended is not None else "Deleting was not stopped."


PARTS = (
    Deed("/stop", "stop", "Stop all deleting", _ask_stop, _stop, back="/"),
    Deed("/start", "start", "Let deleting go on", _ask_start, _start, back="/"),
)
