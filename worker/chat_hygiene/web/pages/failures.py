"""Failures: what failed and why, whether it is tried again, and trying it again by hand."""

from collections.abc import Iterator
from urllib.parse import urlencode

from chat_hygiene.store.records import Record
from chat_hygiene.web import paging
from chat_hygiene.web.page import Content, Deed, Group, MissingError, Page, Sheet, Visit
from chat_hygiene.wiring import looking, operating, recalling

WHY = {
    "still_listed": "the call was accepted, and the chat is still there",
    "refused": "WhatsApp refused",
    "conflict": "the platform was busy with the chat",
    "no_answer": "the call got no answer",
    "unreadable": "the answer could not be read",
    "lost": "the worker died while the call was out",
}
"""Why an attempt failed, in words: `error_class` of report_v1_failures."""


def why(error: str | None) -> str:
    """In words; one that has none says what it is."""
    return WHY.get(error or "", (error or "not known").replace("_", " "))


def _read(visit: Visit) -> Content:
    part = recalling.failures(visit.ledger, after=paging.read(visit.text("after")), size=paging.SIZE)
    key = paging.written(part.next)
    return {
        "rows": [{**row, "why": why(row["error_class"])} for row in part.rows],
        "next": key and urlencode({"after": key}),
        "first": not visit.text("after"),
    }


def _rows(visit: Visit) -> Iterator[tuple[object, ...]]:
    for row in recalling.without_end(recalling.failures, visit.ledger):
        yield tuple(_cell(row, name) for name in _HEADER)


def _cell(row: Record, name: str) -> object:
    if name == "final":
        return int(row["state"] != "queued")
    return None if name == "next_attempt_at" and row["state"] != "queued" else row[name]


_HEADER = (
    *("job_id", "policy", "device", "chat_ref", "chat_hint", "error_class", "error_code", "attempts"),
    *("first_failed_at", "last_failed_at", "next_attempt_at", "final"),
)


def _ask_retry(visit: Visit) -> Content:
    found = looking.jobs(visit.ledger, job_id=visit.number("job"))
    if not found:
        raise MissingError(f"there is no job {visit.text('job')}")
    lead = [
        f"Job {found[0]['id']} tries to delete the chat {found[0]['chat_hint']} from the start: its attempts are counted anew.",
        "The chat is read and judged again right before: what no longer matches, or is held, stays.",
        "WhatsApp's refusal is not overridden by this.",
    ]
    return {"lead": lead, "verb": "Try it again", "hidden": {}}


def _retry(visit: Visit) -> str:
    job = visit.number("job")
    operating.retry_jobs(visit.ledger, [job], because=visit.text("reason"))
    return f"Job {job} is tried again."


PARTS = (
    Page("/failures", "failures", "Failures", "failures.html", _read, Group.NOW),
    Sheet("/failures.csv", "failures_sheet", _HEADER, _rows),
    Deed("/failures/{job}/retry", "retry", "Try again", _ask_retry, _retry, back="/failures"),
)
