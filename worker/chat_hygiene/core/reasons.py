"""Why a run of a policy ended as it did: the closed set of reasons, one of which stands in every run's row (law 10).

A run that an unexpected error ended says `error: ` and the error's kind instead. `result` says it as a person reads it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from chat_hygiene.core.words import count


class Reason(StrEnum):
    """Why a run queued what it queued, or nothing."""

    QUEUED = "queued"
    """It queued chats; `canary` in its row: only the first few of a version."""
    OBSERVE = "observe"
    """The policy observes: it counts and lists."""
    NOTHING_MATCHED = "nothing matched"
    ALREADY_QUEUED = "already queued"
    """Everything that matches has its job already, or had it within a week."""
    STALE = "stale data"
    """The numbers of all that matches were not synced, or not online, for too long."""
    STOPPED = "stopped"
    """Somebody has stopped all deleting."""
    BRAKE = "brake"
    """More than the policy's limits let through in a day: it awaits an approval."""
    CANARY = "canary"
    """The first few of this version have not ended yet, or (then it awaits an approval) not all of them ended well."""
    UNKNOWN_DEVICE = "unknown device"
    """The policy, or a keep-policy, names a number that the account does not have."""
    PAUSED = "paused"
    RETIRED = "retired"
    KEEP_POLICY = "keep-policy"
    """It has become a keep-policy before its run was evaluated."""
    UNREADABLE = "unreadable policy"
    """This program cannot read it, or compute its schedule."""
    DATABASE = "database"
    """The database failed for as long as its data may be old."""
    COALESCED = "coalesced"
    """A later slot's run makes up for this one."""
    MISSED = "missed"
    """Nothing ran at its time, nor within the time in which a run is made up for."""
    REJECTED = "rejected"
    """Somebody decided against its candidates."""
    GONE_BEFORE = "removed before"
    """What somebody asked for by name had left already: only what is stored of it goes."""
    EXPIRED = "nobody approved it in time"


WORDS = {
    Reason.OBSERVE: "only observes",
    Reason.NOTHING_MATCHED: "nothing matched",
    Reason.ALREADY_QUEUED: "everything that matches is queued already",
    Reason.STALE: "nothing queued: the data is too old to delete by; chat-hygiene sync",
    Reason.STOPPED: "nothing queued: deleting is stopped; chat-hygiene start lets it go on",
    Reason.BRAKE: "nothing queued: a brake tripped",
    Reason.CANARY: "nothing queued: the first chats of this version go alone",
    Reason.UNKNOWN_DEVICE: "not evaluated: it names a device that the account does not have",
    Reason.PAUSED: "not evaluated: it is paused, and chat-hygiene policy resume lets it go on",
    Reason.RETIRED: "not evaluated: the policy is retired",
    Reason.KEEP_POLICY: "not evaluated: it is a keep-policy by now",
    Reason.UNREADABLE: "not evaluated: this program cannot read the policy; is a newer one at work?",
    Reason.DATABASE: "not evaluated: the database failed until the data was too old; see the log",
    Reason.COALESCED: "not run by itself: a later slot's run made up for it",
    Reason.MISSED: "not run: nothing was at work at its time, nor soon enough after it; see chat-hygiene doctor",
    Reason.REJECTED: "nothing queued: somebody decided against it",
    Reason.GONE_BEFORE: "nothing queued: it had left before, and what was stored of it is gone",
    Reason.EXPIRED: "nothing queued: nobody approved it in time",
}

_NOT_CONCLUDED = {
    "syncing": "not evaluated yet: its numbers are read first",
    "evaluating": "being evaluated",
    "superseded": "nothing queued: replaced by a newer run, or a newer version of its policy",
}
_PUT_DOWN = {
    "stale": "waits for fresh data",
    "stopped": "deleting was stopped",
    "listed": "in the plan, not queued by it",
}


def put_down(*, state: str, reason: str | None, canary: bool) -> dict[str, str]:
    """Why a run of that state did not queue a chat that it found, by what withholds the chat, or `listed` in a plan."""
    if state == "awaiting_approval":
        brake = "awaits approval"
    else:
        brake = "waits for the canary" if canary or reason == Reason.CANARY else "not queued by it"
    return {"brake": brake, **_PUT_DOWN}


def says(run: Mapping[str, Any]) -> str:
    """What came of a run, by its row."""
    state = run["state"]
    if state in _NOT_CONCLUDED:
        return _NOT_CONCLUDED[state]
    return result(
        run["reason"] or state,
        queued=run["queued"],
        deferred=run["deferred"],
        canary=bool(run["canary"]),
        before=run["duplicates"] if run["trigger"] == "plan" else 0,
    )


def result(reason: str, *, queued: int, deferred: int, canary: bool, before: int = 0) -> str:
    """What came of a run; `before`: so many chats of its plan stood in the queue already."""
    if reason == Reason.QUEUED:
        wait = "the others wait until these have ended well" if canary else "their data is too old"
        rest = f", {deferred:,} deferred: {wait}" if deferred else ""
        words = f"{count(queued, 'chat')} queued{rest}"
    elif reason in set(Reason):
        words = WORDS[Reason(reason)]
    else:
        words = f"not evaluated, {reason}: see the log"
    if not before:
        return words
    return f"{words}; {count(before, 'chat')} of the plan {'was' if before == 1 else 'were'} queued before"
