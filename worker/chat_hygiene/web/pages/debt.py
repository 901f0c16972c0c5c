"""Still in WhatsApp: what was removed here and is not known to be gone there, and writing such a debt off."""

from collections.abc import Iterator
from urllib.parse import urlencode

from chat_hygiene.store.tallies import MOST
from chat_hygiene.web import paging
from chat_hygiene.web.page import Content, Deed, Group, MissingError, Page, Sheet, Visit
from chat_hygiene.web.pages.failures import why
from chat_hygiene.wiring import looking, operating, recalling

BECAUSE = {
    "forced": "the call was forced",
    "operator": "an operator forced it",
    "offline": "its number was offline for longer than the policy waits",
    "device_gone": "its number left the account",
}
"""Why a removal is owed, in words, beside those of a failure: `reason` of report_v1_debt."""


def _read(visit: Visit) -> Content:
    part = recalling.debts(visit.ledger, after=paging.read(visit.text("after")), size=paging.SIZE)
    key = paging.written(part.next)
    return {
        "rows": [{**row, "why": BECAUSE.get(row["reason"]) or why(row["reason"])} for row in part.rows],
        "most": MOST,
        "next": key and urlencode({"after": key}),
        "first": not visit.text("after"),
    }


def _rows(visit: Visit) -> Iterator[tuple[object, ...]]:
    for row in recalling.without_end(recalling.debts, visit.ledger):
        yield tuple(row[name] for name in _HEADER)


_HEADER = (
    *("job_id", "device", "chat_ref", "chat_hint", "policy", "opened_at", "reason", "whatsapp_state"),
    *("probes", "next_probe_at", "state"),
)


def _ask_write_off(visit: Visit) -> Content:
    found = looking.jobs(visit.ledger, job_id=visit.number("job"))
    if not found:
        raise MissingError(f"there is no job {visit.text('job')}")
    lead = [
        f"The chat {found[0]['chat_hint']} is looked for no more, and may stay in WhatsApp for good.",
        "Its id is erased here, so that nobody can look for it later.",
    ]
    return {"lead": lead, "verb": "Give up the debt", "hidden": {}}


def _write_off(visit: Visit) -> str:
    job = visit.number("job")
    operating.write_off(visit.ledger, job, reason=visit.text("reason"))
    return f"The debt of job {job} is written off."


PARTS = (
    Page("/debt", "debt", "Still in WhatsApp", "debt.html", _read, Group.NOW),
    Sheet("/debt.csv", "debt_sheet", _HEADER, _rows),
    Deed("/debt/{job}/write-off", "write_off", "Write off a debt", _ask_write_off, _write_off, back="/debt"),
)
