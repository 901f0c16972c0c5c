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
    "brake": "a brake or the canary of the policy withholds it",
    "stale": "the data of its number was too old at the last run",
}
_NO_BLOCK = "nothing known is in its way: its turn comes"


def of(each: "PolicyVerdict", now: datetime) -> str:
    """One policy's answer, in a sentence or two."""
    if each.problem is not None:
        return f"not evaluated: {each.problem}"
    waits = "; the policy waits no longer for its number, which is offline" if each.given_up else ""
    if each.queued is not None:
        return f"{_queued(each, each.queued, now)}{waits}"
    if each.withheld is not None:
        return f"{_withheld(each, each.withheld, now)}{waits}"
    if each.matches:
        return f"{_goes(each)}{waits}"
    if each.eligible_at is None:
        return "stays; waiting alone does not change that"
    then = f", then has {span(each.stored.policy.grace)} of grace" if each.stored.policy.grace else ""
    return (
        f"stays; if nothing changes it matches in {span(each.eligible_at - now)}, "
        f"at {instant(each.eligible_at)}{then}{_only(each)}"
    )


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


def _queued(each: "PolicyVerdict", queued: "Queued", now: datetime) -> str:
    job, place = f"job {queued.job_id}", queued.place
    if place is None:
        return f"is being worked right now ({job})"
    stands = (
        f"{ordinal(place.in_policy)} of {place.of_policy:,} of this policy, "
        f"{ordinal(place.on_device)} of {place.of_device:,} on its number"
    )
    if queued.leaves_at > now:
        why = (
            ", after a failed attempt"
            if queued.not_before <= now
            else f" if it still matches ({instant(queued.matched_at)} was its first match)"
        )
        block = "" if each.blocked_by is None else f"; in its way now: {_BLOCKED[each.blocked_by]}"
        return f"leaves {_from(queued.leaves_at, now)}{why}; {job}, {stands}{block}"
    return f"is due since {instant(queued.not_before)}; {job}, {stands}; {_block(each)}"


def _withheld(each: "PolicyVerdict", row: "Record", now: datetime) -> str:
    by = {
        "brake": f"run {row['run_id']} stopped itself ({row['run_reason']})",
        "stale": f"its number's data was too old for run {row['run_id']}",
        "stopped": f"deleting was stopped at run {row['run_id']}",
    }[row["withheld_by"]]
    since = f"matches since {instant(row['matched_at'])}, not queued: {by}"
    late = f", so it is late since {instant(row['not_before'])}" if row["not_before"] <= now else ""
    if row["run_state"] == "awaiting_approval":
        until = "" if row["expires_at"] is None else f" until {instant(row['expires_at'])}"
        then = f" and awaits an approval{until}: chat-hygiene runs show {row['run_id']}"
    elif each.blocked_by not in {None, row["withheld_by"]}:
        then = f"; in its way now: {_BLOCKED[str(each.blocked_by)]}"
    else:
        then = f"; the next run{_next_run(each)} asks again"
    return f"{since}{then}{late}"


def _goes(each: "PolicyVerdict") -> str:
    if not each.stored.enforces:
        return f"matches{_only(each)}"
    if each.stays is not None:
        return f"matches, but stays: {each.stays}"
    if not each.fresh:
        return f"matches, by data that is too old to delete by; the next run{_next_run(each)} syncs first"
    grace = each.stored.policy.grace
    then = f"it leaves {span(grace)} later" if grace else "it leaves at once"
    return f"goes: the next run{_next_run(each)} queues it, and {then}"


def _only(each: "PolicyVerdict") -> str:
    if each.stored.state != "active":
        return f" (but this policy is {each.stored.state})"
    return "" if each.stored.enforces else " (but this policy only observes)"


def _next_run(each: "PolicyVerdict") -> str:
    at = each.stored.next_run_at
    return "" if at is None or each.stored.state != "active" else f", at {instant(at)},"


def _block(each: "PolicyVerdict") -> str:
    return _NO_BLOCK if each.blocked_by is None else f"in its way: {_BLOCKED[each.blocked_by]}"


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
