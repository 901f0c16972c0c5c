"""Why a run of a policy ended as it did: the closed set of reasons, one of which stands in every run's row (law 10).

A run that an unexpected error ended says `error: ` and the error's kind instead.
"""

from enum import StrEnum


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
