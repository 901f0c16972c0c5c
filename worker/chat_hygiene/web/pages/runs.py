"""Runs: what each found and did, one with its chats and its way down, and deciding about those that await an approval."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from chat_hygiene.core.errors import SafetyStopError, UsageError
from chat_hygiene.core.reasons import put_down
from chat_hygiene.core.words import count
from chat_hygiene.store.withheld import BRAKE
from chat_hygiene.web import paging, sheets
from chat_hygiene.web.page import Content, Deed, Group, MissingError, Page, Sheet, Visit
from chat_hygiene.web.telling import told
from chat_hygiene.wiring import deciding

_RUN = ("id", "policy", "version", "trigger", "mode", "scheduled_for", "started_at", "finished_at", "state",
        "reason", "seen", "in_scope", "matched", "held", "kept", "deferred", "queued", "requested_by", "approved_by")  # fmt: skip
_CHAT = ("chat_ref", "chat_hint", "device", "generation", "last_message_at", "matched_at", "not_before", "standing")  # fmt: skip


def _read(visit: Visit) -> Content:
    chosen = {name: visit.text(name) for name in ("policy", "awaiting") if visit.text(name)}
    before = visit.number("before") if visit.text("before") else None
    found = deciding.runs(
        visit.ledger,
        awaiting="awaiting" in chosen,
        policy=chosen.get("policy"),
        before=before,
        limit=paging.SIZE + 1,
    )
    more, found = len(found) > paging.SIZE, found[: paging.SIZE]
    return {
        "runs": [told(run) for run in found],
        "names": deciding.policies_of_runs(visit.ledger),
        "chosen": chosen,
        "query": urlencode(chosen),
        "next": urlencode({**chosen, "before": found[-1]["id"]}) if more else None,
        "first": before is None,
    }


def _rows(visit: Visit) -> Iterator[tuple[object, ...]]:
    found = deciding.runs(
        visit.ledger,
        awaiting=bool(visit.text("awaiting")),
        policy=visit.text("policy") or None,
        limit=sheets.MOST + 1,
    )
    for run in found:
        yield tuple(run[name] for name in _RUN)


def _read_one(visit: Visit) -> Content:
    run_id, after = visit.number("run"), visit.number("after") if visit.text("after") else 0
    with _missing():
        run, following = deciding.page_of_run(visit.ledger, run_id, after=after, size=paging.SIZE)
    return {
        "run": told(run.record),
        "chats": run.chats,
        "outcomes": run.outcomes,
        "funnel": run.funnel,
        "grace": run.record["document"].get("grace"),
        "withheld": run.put_down,
        "waiting": run.put_down.get(BRAKE, 0),
        "words": put_down(**{name: run.record[name] for name in ("state", "reason", "canary")}),
        "next": following and urlencode({"after": following}),
        "first": not after,
    }


def _chats(visit: Visit) -> Iterator[tuple[object, ...]]:
    with _missing():
        run = deciding.run_of(visit.ledger, visit.number("run"), limit=sheets.MOST + 1)
    for chat in run.chats:
        yield tuple(chat[name] for name in _CHAT)


@contextmanager
def _missing() -> Iterator[None]:
    """Inside, a run that there is none of is a page that there is none of."""
    try:
        yield
    except UsageError as error:
        raise MissingError(str(error)) from None


def _ask_approve(visit: Visit) -> Content:
    run_id = visit.number("run")
    with _missing():
        deciding.page_of_run(visit.ledger, run_id, after=0, size=1)
    try:
        look = deciding.look_at_run(visit.ledger, run_id, now=visit.now)
    except (UsageError, SafetyStopError) as error:
        lead = [f"It cannot be approved now: {error}."]
        return {"lead": lead, "verb": "Try it all the same", "hidden": {}, "dropped": []}
    lead = [
        f"Deletes for good {look.remaining:,} of {count(look.candidates, 'chat')} of {look.run.policy}.",
        "Exactly those of this run go, and of those only what still matches.",
        "They leave when the policy's grace is over, each read and judged again just before.",
    ]
    dropped = Counter(each.words for each in look.dropped).most_common()
    return {"lead": lead, "verb": f"Let {count(look.remaining, 'chat')} go", "hidden": {}, "dropped": dropped}


def _approve(visit: Visit) -> str:
    text = visit.text("per_day")
    if text and not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text)):
        raise UsageError("so many a day is a whole number from 1 on", fix="leave it empty for all at once")
    report = deciding.approve_run(
        visit.ledger,
        visit.number("run"),
        per_day=int(text) if text else None,
        because=visit.text("reason"),
        now=visit.now,
    )
    each_day = f", {int(text):,} a day" if text else ""
    return f"{count(report.queued, 'chat')} of {report.policy} queued{each_day}."


def _ask_reject(visit: Visit) -> Content:
    with _missing():
        run, _ = deciding.page_of_run(visit.ledger, visit.number("run"), after=0, size=1)
    lead = [
        f"Of {count(run.put_down.get(BRAKE, 0), 'chat')} that wait, none goes by this run.",
        "A later run of the policy judges them anew: to keep one for good, hold it.",
    ]
    return {"lead": lead, "verb": "Reject the run", "hidden": {}}


def _reject(visit: Visit) -> str:
    run_id = visit.number("run")
    deciding.reject_run(visit.ledger, run_id, because=visit.text("reason"), now=visit.now)
    return f"Run {run_id} is rejected: nothing goes by it."


PARTS = (
    Page("/runs", "runs", "Runs", "runs.html", _read, Group.NOW),
    Sheet("/runs.csv", "runs_sheet", _RUN, _rows),
    Page("/runs/{run}", "run", "Run", "run.html", _read_one),
    Sheet("/runs/{run}/chats.csv", "run_sheet", _CHAT, _chats),
    Deed(
        "/runs/{run}/approve",
        "approve",
        "Approve a run",
        _ask_approve,
        _approve,
        back="/runs/{run}",
        template="approve.html",
    ),
    Deed("/runs/{run}/reject", "reject", "Reject a run", _ask_reject, _reject, back="/runs/{run}"),
)
