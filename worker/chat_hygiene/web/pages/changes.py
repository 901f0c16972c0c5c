"""Changes: who changed what about policies, holds and the stop switch. Why they did it is shown to operators alone."""

import json
from collections.abc import Iterator
from urllib.parse import urlencode

from chat_hygiene.core.events import Event
from chat_hygiene.store.records import Record
from chat_hygiene.web import paging
from chat_hygiene.web.page import Content, Group, Page, Sheet, Visit
from chat_hygiene.wiring import recalling

WHAT = {
    Event.POLICY_CREATED: "stored the policy",
    Event.POLICY_CHANGED: "changed the policy",
    Event.POLICY_RETIRED: "retired the policy",
    Event.POLICY_PAUSED: "paused the policy",
    Event.POLICY_RESUMED: "resumed the policy",
    Event.HOLD_PLACED: "placed a hold",
    Event.HOLD_RELEASED: "released a hold",
    Event.STOPPED: "stopped",
    Event.STARTED: "started again",
}


def _read(visit: Visit) -> Content:
    part = recalling.changes(visit.ledger, after=paging.read(visit.text("after")), size=paging.SIZE)
    key = paging.written(part.next)
    return {
        "rows": [_shown(row) for row in part.rows],
        "next": key and urlencode({"after": key}),
        "first": not visit.text("after"),
    }


def _shown(row: Record) -> Record:
    detail = json.loads(row["detail"] or "{}")
    what = WHAT[row["kind"]]
    if row["kind"] in {Event.POLICY_CREATED, Event.POLICY_CHANGED}:
        what = f"{what}: version {row['policy_version']}"
    return {**row, "what": what, "because": detail.get("because"), "scope": detail.get("scope")}


def _rows(visit: Visit) -> Iterator[tuple[object, ...]]:
    for row in recalling.without_end(recalling.changes, visit.ledger):
        yield tuple(row[name] for name in _HEADER)


_HEADER = ("seq", "at", "actor", "kind", "policy", "policy_version", "device", "chat_ref")

PARTS = (
    Page("/changes", "changes", "Changes", "changes.html", _read, Group.RECORD),
    Sheet("/changes.csv", "changes_sheet", _HEADER, _rows),
)
