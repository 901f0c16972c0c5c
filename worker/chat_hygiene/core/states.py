"""The life of a delete job: its states, the events that move it, and the only table of legal moves.

    queued ──claim──► leased ──intend──► sent ──outcome──► deleted | already_gone | removed_locally | failed
      ▲                 │                  │
      └── release ──────┘◄──── retry ──────┘      cancel from queued and leased; quarantine from sent;
                                                  requeue from queued, failed and quarantined, by an operator

`store.moves` is the only caller of `transition` that writes, and writes the audit event in the same transaction.
"""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    LEASED = "leased"
    SENT = "sent"
    DELETED = "deleted"
    ALREADY_GONE = "already_gone"
    REMOVED_LOCALLY = "removed_locally"
    CANCELLED = "cancelled"
    FAILED = "failed"
    QUARANTINED = "quarantined"


class JobEvent(StrEnum):
    """What moves a job."""

    CLAIM = "claim"
    """A worker took it, with a lease and a new fence."""
    RELEASE = "release"
    """Handed back without an attempt: it waits, or its worker vanished before any intent."""
    CANCEL = "cancel"
    """It no longer matches, is held or kept, or its policy no longer enforces."""
    INTEND = "intend"
    """The gate passed: the call will be made."""
    WITHDRAW = "withdraw"
    """The gate passed but the call was not made after all; certain, because the worker itself says so."""
    RETRY = "retry"
    """A counted failure, or an outcome that must be read first."""
    LOSE = "lose"
    """The lease ended with an intent out: a crash."""
    CONFIRM_DELETED = "confirm_deleted"
    CONFIRM_GONE = "confirm_gone"
    CONFIRM_LOCAL = "confirm_local"
    GIVE_UP = "give_up"
    REQUEUE = "requeue"
    """An operator wants it tried again."""
    QUARANTINE = "quarantine"


_S, _E = JobState, JobEvent

MOVES: dict[tuple[JobState, JobEvent], JobState] = {
    (_S.QUEUED, _E.CLAIM): _S.LEASED,
    (_S.QUEUED, _E.CANCEL): _S.CANCELLED,
    (_S.QUEUED, _E.REQUEUE): _S.QUEUED,
    (_S.LEASED, _E.RELEASE): _S.QUEUED,
    (_S.LEASED, _E.RETRY): _S.QUEUED,
    (_S.LEASED, _E.CANCEL): _S.CANCELLED,
    (_S.LEASED, _E.INTEND): _S.SENT,
    # From leased an outcome is possible too: the fresh read shows it (gone before us, or after an earlier intent).
    (_S.LEASED, _E.CONFIRM_DELETED): _S.DELETED,
    (_S.LEASED, _E.CONFIRM_GONE): _S.ALREADY_GONE,
    (_S.LEASED, _E.CONFIRM_LOCAL): _S.REMOVED_LOCALLY,
    (_S.LEASED, _E.GIVE_UP): _S.FAILED,
    (_S.SENT, _E.WITHDRAW): _S.QUEUED,
    (_S.SENT, _E.RETRY): _S.QUEUED,
    (_S.SENT, _E.LOSE): _S.QUEUED,
    (_S.SENT, _E.CONFIRM_DELETED): _S.DELETED,
    (_S.SENT, _E.CONFIRM_GONE): _S.ALREADY_GONE,
    (_S.SENT, _E.CONFIRM_LOCAL): _S.REMOVED_LOCALLY,
    (_S.SENT, _E.GIVE_UP): _S.FAILED,
    (_S.SENT, _E.QUARANTINE): _S.QUARANTINED,
    (_S.FAILED, _E.REQUEUE): _S.QUEUED,
    (_S.QUARANTINED, _E.REQUEUE): _S.QUEUED,
}

OPEN_STATES = (JobState.QUEUED, JobState.LEASED, JobState.SENT)
EFFECTIVE_STATES = (JobState.DELETED, JobState.ALREADY_GONE, JobState.REMOVED_LOCALLY)
HOLDING_STATES = (*OPEN_STATES, *EFFECTIVE_STATES, JobState.QUARANTINED)
"""At most one job per chat life is in one of these."""


class IllegalMoveError(Exception):
    """A bug: the table has no such move."""


def transition(state: JobState, event: JobEvent) -> JobState:
    """The state that `event` moves `state` to. Raises IllegalMoveError when there is no such move."""
    try:
        return MOVES[state, event]
    except KeyError:
        raise IllegalMoveError(f"a {state} job cannot take {event}") from None
