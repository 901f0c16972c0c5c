"""How a run is told: what came of it in words, and whether somebody should look."""

from chat_hygiene.core.reasons import Reason, says
from chat_hygiene.store.records import Record
from chat_hygiene.web.strip import Mood

_LOOK = {
    Reason.STALE,
    Reason.STOPPED,
    Reason.CANARY,
    Reason.UNKNOWN_DEVICE,
    Reason.UNREADABLE,
    Reason.DATABASE,
    Reason.PAUSED,
}


def told(run: Record) -> Record:
    """A run's row with `says`, what came of it, `stands`, its state in words, and `mood`."""
    return {
        **run,
        "says": says(run),
        "stands": str(run["state"]).replace("_", " "),
        "mood": mood(run),
    }


def mood(run: Record) -> Mood:
    """Good: it queued something. Bad: it failed, or its time passed and nothing ran."""
    state, reason = run["state"], run["reason"]
    if state == "failed" or reason == Reason.MISSED:
        return Mood.BAD
    if state in {"awaiting_approval", "expired"} or reason in _LOOK:
        return Mood.LOOK
    return Mood.GOOD if reason == Reason.QUEUED else Mood.PLAIN
