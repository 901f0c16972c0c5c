"""One chat's story in words: what keeps it, what becomes of it under each policy, when, and what is in its way.

A line is words and instants, so that each face shows an instant in its own way.
"""

from collections.abc import Iterator
from datetime import datetime

from chat_hygiene.core.debts import DebtState
from chat_hygiene.core.words import span
from chat_hygiene.pipeline.explain import PolicyVerdict, Queued, Report
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.records import Record
from chat_hygiene.store.tallies import MOST

Line = tuple[str | datetime, ...]

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


def of(each: PolicyVerdict, now: datetime) -> Iterator[Line]:
    """One policy's answer in a few words, then lines of what more is known of it."""
    if each.problem is not None:
        yield (f"not evaluated: {each.problem}",)
    elif each.queued is not None:
        yield from _queued(each, each.queued, now)
    elif each.withheld is not None:
        yield from _withheld(each, each.withheld, now)
    elif each.matches:
        yield _goes(each)
    elif each.eligible_at is None:
        yield ("stays; waiting alone does not change that",)
    else:
        yield ("stays; if nothing changes it matches ", *_from(each.eligible_at, now), _only(each))
        if each.grace and each.stored.enforces:
            yield (f"and then leaves after a grace of {span(each.grace)}",)
    if each.given_up:
        yield ("this policy waits no longer for its number, which is offline",)


def quiet(each: PolicyVerdict) -> tuple[bool, bool, bool]:
    """By which policies are sorted: first what is going to happen, then what would, then what will not."""
    return (each.queued is None and each.withheld is None, not each.stored.enforces, not each.matches)


def holds(report: Report, now: datetime, *, typed: bool = True) -> Iterator[Line]:
    """A line for each hold on the chat; with `typed` what somebody typed, too: an operator may read it."""
    for row in report.holds:
        label = f"the label {row['label']}" if typed else "a label"
        what = {"chat": "this chat", "device": "its whole number", "label": label}[row["scope"]]
        until: Line = ("until it is released",) if row["until"] is None else ("until ", row["until"])
        because = f": {mask_numbers(row['reason'])}" if typed else ""
        yield (
            f"held by {row['held_by']} for {span(now - row['placed_at'])}, ",
            *until,
            f", as {what} (hold {row['id']}){because}",
        )


def debts(report: Report, now: datetime) -> Iterator[Line]:
    """A line for each debt: removed here, and perhaps still in WhatsApp."""
    for row in report.jobs:
        if row["debt_state"] is None:
            continue
        since: Line = ("since ", row["debt_opened_at"], f" (job {row['id']})")
        if row["debt_state"] == DebtState.OPEN:
            next_at = row["debt_next_probe_at"]
            look: Line = () if next_at is None else (", looked for next ", *_from(next_at, now))
            yield ("removed here and owed in WhatsApp ", *since, *look)
        elif row["debt_state"] == DebtState.ABANDONED:
            yield ("removed here and owed in WhatsApp ", *since, ", and looked for no longer")
        else:
            yield ("was owed in WhatsApp ", *since, f": {row['debt_state'].replace('_', ' ')}")


def _queued(each: PolicyVerdict, queued: Queued, now: datetime) -> Iterator[Line]:
    place = queued.place
    if place is None:
        yield (f"is being worked right now (job {queued.job_id})",)
        return
    late = queued.not_before <= now
    if queued.leaves_at > now:
        yield (f"{'is tried again' if late else 'leaves'} ", *_from(queued.leaves_at, now))
    else:
        yield ("should be gone since ", queued.not_before)
    if not late:
        yield ("leaving soon since ", queued.matched_at, ": a new message or a hold takes it off")
    in_policy = f"{_place(place.in_policy, place.of_policy)} of this policy"
    on_number = f"{_place(place.on_device, place.of_device)} on its number"
    yield (f"job {queued.job_id}: {in_policy}, {on_number}",)
    if each.blocked_by is not None:
        yield (f"in its way now: {_BLOCKED[each.blocked_by]}",)
    elif late:
        yield ("nothing known is in its way: its turn comes",)


def _withheld(each: PolicyVerdict, row: Record, now: datetime) -> Iterator[Line]:
    run = row["run_id"]
    if row["not_before"] <= now:
        yield ("should be gone since ", row["not_before"])
    else:
        yield ("matches, but is not queued" if each.matches else "matched at the last run, and does not now",)
    yield (
        "matched first at ",
        row["matched_at"],
        f"; run {run} did not queue it: {_WITHHELD[row['withheld_by']]}",
    )
    if each.blocked_by not in {None, row["withheld_by"]}:
        yield (f"in its way now: {_BLOCKED[str(each.blocked_by)]}",)
    if row["run_state"] == "awaiting_approval":
        until: Line = () if row["expires_at"] is None else (" until ", row["expires_at"])
        yield (f"run {run} awaits an approval", *until, f": chat-hygiene runs show {run}")
    else:
        yield ("the next run", *_next_run(each), " asks again")


def _goes(each: PolicyVerdict) -> Line:
    if not each.stored.enforces:
        return (f"matches{_only(each)}",)
    if each.stays is not None:
        return (f"matches, but stays: {each.stays}",)
    if not each.fresh:
        return (
            "matches, by data that is too old to delete by; the next run",
            *_next_run(each),
            " syncs first",
        )
    then = f"it leaves {span(each.grace)} later" if each.grace else "it leaves at once"
    return ("goes: the next run", *_next_run(each), f" queues it, and {then}")


def _only(each: PolicyVerdict) -> str:
    if each.stored.state != "active":
        return f" (but this policy is {each.stored.state})"
    return "" if each.stored.enforces else " (but this policy only observes)"


def _next_run(each: PolicyVerdict) -> Line:
    at = each.stored.next_run_at
    return () if at is None or each.stored.state != "active" else (", at ", at, ",")


def _from(at: datetime, now: datetime) -> Line:
    return (f"in {span(at - now)}, at ", at) if at > now else ("now, due since ", at)


def _place(number: int, of: int) -> str:
    """`3rd of 40`, `3rd of 10,000+`, `among 10,000+`."""
    if of < MOST:
        return f"{ordinal(number)} of {of:,}"
    return f"among {MOST:,}+" if number == MOST else f"{ordinal(number)} of {MOST:,}+"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`, `11th`."""
    last = number % 10 if number % 100 not in {11, 12, 13} else 0
    return f"{number:,}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"
