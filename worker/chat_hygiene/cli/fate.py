"""What `explain` says of a chat's fate under each policy: whether it goes, when, where it stands, and what is in its way."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chat_hygiene.cli.output import instant, span
from chat_hygiene.core.debts import DebtState

if TYPE_CHECKING:
    from chat_hygiene.pipeline.explain import PolicyVerdict, Queued, Report
    from chat_hygiene.store.records import Record

_BLOCKED = {
    "stopped": "all deleting is stopped, or the policy is paused",
    "hold": "a hold covers it",
    "refused": "WhatsApp refused once, and is asked again",
    "offline": "its number cannot be used now: see chat-hygiene doctor",
    "brake": "a limit or the canary of the policy",
    "stale": "the data of its number was too old at the last run",
}
_WITHHELD = {
    "brake": "a brake or the canary held it back",
    "stale": "the data of its number was too old",
    "stopped": "all deleting was stopped",
}


def of(each: "PolicyVerdict", now: datetime) -> Iterator[str]:
    """One policy's answer in a few words, then lines of what more is known of it."""
    if each.problem is not None:
        yield f"not evaluated: {each.problem}"
    elif each.queued is not None:
        yield from _queued(each, each.queued, now)
    elif each.withheld is not None:
        yield from _withheld(each, each.withheld, now)
    elif each.matches:
        yield _goes(each)
    elif each.eligible_at is None:
        yield "stays; waiting alone does not change that"
    else:
        yield f"stays; if nothing changes it matches {_from(each.eligible_at, now)}{_only(each)}"
        if each.grace:
            yield f"and then leaves after a grace of {span(each.grace)}"
    if each.given_up:
        yield "this policy waits no longer for its number, which is offline"


def holds(report: "Report", now: datetime) -> Iterator[str]:
    """A line for each hold on the chat, with the reason: an operator may read it."""
    from chat_hygiene.store.pseudonyms import mask_numbers

    for row in report.holds:
        what = {"chat": "this chat", "device": "its whole number", "label": f"the label {row['label']}"}
        until = "until it is released" if row["until"] is None else f"until {instant(row['until'])}"
        yield (
            f"held by {row['held_by']} for {span(now - row['placed_at'])}, {until}, as {what[row['scope']]} "
            f"(hold {row['id']}): {mask_numbers(row['reason'])}"
        )


def debts(report: "Report", now: datetime) -> Iterator[str]:
    """A line for each debt: removed here, and perhaps still in WhatsApp."""
    for row in report.jobs:
        if row["debt_state"] is None:
            continue
        since = f"since {instant(row['debt_opened_at'])} (job {row['id']})"
        if row["debt_state"] == DebtState.OPEN:
            next_at = row["debt_next_probe_at"]
            look = "" if next_at is None else f", looked for next {_from(next_at, now)}"
            yield f"removed here and owed in WhatsApp {since}{look}"
        elif row["debt_state"] == DebtState.ABANDONED:
            yield f"removed here and owed in WhatsApp {since}, and looked for no longer"
        else:
            yield f"was owed in WhatsApp {since}: {row['debt_state'].replace('_', ' ')}"


def _queued(each: "PolicyVerdict", queued: "Queued", now: datetime) -> Iterator[str]:
    place = queued.place
    if place is None:
        yield f"is being worked right now (job {queued.job_id})"
        return
    late = queued.not_before <= now
    if queued.leaves_at > now:
        yield f"{'is tried again' if late else 'leaves'} {_from(queued.leaves_at, now)}"
    else:
        yield f"should be gone since {instant(queued.not_before)}"
    if not late:
        yield f"leaving soon since {instant(queued.matched_at)}: a new message or a hold takes it off"
    yield (
        f"job {queued.job_id}: {ordinal(place.in_policy)} of {place.of_policy:,} of this policy, "
        f"{ordinal(place.on_device)} of {place.of_device:,} on its number"
    )
    if each.blocked_by is not None:
        yield f"in its way now: {_BLOCKED[each.blocked_by]}"
    elif late:
        yield "nothing known is in its way: its turn comes"


def _withheld(each: "PolicyVerdict", row: "Record", now: datetime) -> Iterator[str]:
    run = row["run_id"]
    if row["not_before"] <= now:
        yield f"should be gone since {instant(row['not_before'])}"
    else:
        yield "matches, but is not queued" if each.matches else "matched at the last run, and does not now"
    yield f"matched first at {instant(row['matched_at'])}; run {run} did not queue it: {_WITHHELD[row['withheld_by']]}"
    if each.blocked_by not in {None, row["withheld_by"]}:
        yield f"in its way now: {_BLOCKED[str(each.blocked_by)]}"
    if row["run_state"] == "awaiting_approval":
        until = "" if row["expires_at"] is None else f" until {instant(row['expires_at'])}"
        yield f"run {run} awaits an approval{until}: chat-hygiene runs show {run}"
    else:
        yield f"the next run{_next_run(each)} asks again"


def _goes(each: "PolicyVerdict") -> str:
    if not each.stored.enforces:
        return f"matches{_only(each)}"
    if each.stays is not None:
        return f"matches, but stays: {each.stays}"
    if not each.fresh:
        return f"matches, by data that is too old to delete by; the next run{_next_run(each)} syncs first"
    then = f"it leaves {span(each.grace)} later" if each.grace else "it leaves at once"
    return f"goes: the next run{_next_run(each)} queues it, and {then}"


def _only(each: "PolicyVerdict") -> str:
    if each.stored.state != "active":
        return f" (but this policy is {each.stored.state})"
    return "" if each.stored.enforces else " (but this policy only observes)"


def _next_run(each: "PolicyVerdict") -> str:
    at = each.stored.next_run_at
    return "" if at is None or each.stored.state != "active" else f", at {instant(at)},"


def _from(at: datetime, now: datetime) -> str:
    return f"in {span(at - now)}, at {instant(at)}" if at > now else f"now, due since {instant(at)}"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`, `11th`."""
    last = number % 10 if number % 100 not in {11, 12, 13} else 0
    return f"{number:,}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def hold_document(row: "Record") -> dict[str, Any]:
    """A hold for `--json`: without its reason, which is free text."""
    fields = ("id", "scope", "label", "held_by", "placed_at", "until")
    return {name: row[name] for name in fields} | {"device": row["device"]}


def document(each: "PolicyVerdict") -> dict[str, Any]:
    """Where the chat stands under one policy, for `--json`."""
    queued, withheld = each.queued, each.withheld
    fields = ("run_id", "run_state", "expires_at", "withheld_by", "matched_at", "not_before")
    return {
        "queued": None if queued is None else asdict(queued),
        "withheld": None if withheld is None else {name: withheld[name] for name in fields},
        "blocked_by": each.blocked_by,
        "stays": each.stays,
    }
