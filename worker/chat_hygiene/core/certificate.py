"""What a certificate says in words: of the outcome, and of each of the three sides. Pure."""

from chat_hygiene.core.debts import DebtState
from chat_hygiene.core.states import JobState

OUTCOMES = {
    JobState.DELETED: "The chat was deleted.",
    JobState.ALREADY_GONE: "The chat was gone before this job came to delete it.",
    JobState.REMOVED_LOCALLY: "The chat was removed from the platform, and was not provably deleted in WhatsApp.",
    JobState.CANCELLED: "The job was cancelled before anything was deleted.",
    JobState.FAILED: "The job failed: the chat was not deleted by it.",
    JobState.QUARANTINED: "The job was set aside after five crashes: what its last call did is not known.",
}
_WHATSAPP = {
    "not_asked": "Nothing was asked of WhatsApp: the policy deletes on the platform only.",
    "confirmed": "Removed: a read after the call showed it so.",
    "reported": "Reported removed: without force the service removes its copy only once WhatsApp agreed. WhatsApp itself"
    " was not seen.",
    "unknown": "Not known: nothing was read about WhatsApp.",
    "present": "Still there when it was read last.",
}
_OWED = {
    DebtState.OPEN: "Removed here, still in WhatsApp as far as is known. It is owed, and looked for.",
    DebtState.SETTLED: "Removed: that was owed at first, and was proven later.",
    DebtState.SUPERSEDED: "Removed here only; the chat came back as a new conversation before WhatsApp was proven.",
    DebtState.ABANDONED: "Removed here, still in WhatsApp as far as is known. It was looked for in vain for 30 days.",
    DebtState.WRITTEN_OFF: "Removed here, still in WhatsApp as far as is known. Somebody gave up what is owed.",
}
_PLATFORM = {
    "removed": "Removed: a read after the call showed it so.",
    "forced": "Removed by force, without WhatsApp's agreement.",
    "unreachable": "Not told: its number had left the account, and nobody could be asked any more.",
    "unknown": "Not known.",
}
NOTHING = "Nothing was removed there by this job."
UNCHANGED = "Nothing was erased here by this job."


def whatsapp(state: str | None, debt: DebtState | None) -> str:
    """What is known of the chat in WhatsApp."""
    if debt is not None:
        return _OWED[debt]
    return NOTHING if state is None else _WHATSAPP[state]


def platform(state: str | None) -> str:
    """What is known of the chat on the platform."""
    return NOTHING if state is None else _PLATFORM[state]


def tables(*, removed: bool, back: bool, emptied: bool, has_id: bool) -> tuple[str, str]:
    """What stands in our tables, in one word and in words."""
    if not removed:
        return "unchanged", UNCHANGED
    if back:
        return (
            "back",
            "Erased then. The chat came back since, and what is stored of it now is of its new life.",
        )
    kept = (
        " Its id is kept while it is owed in WhatsApp: without it nobody could look for it." if has_id else ""
    )
    if emptied:
        return (
            "emptied",
            f"Emptied: there is left that it was there, and what proves that it was removed.{kept}",
        )
    gone = "Its name is erased" if has_id else "Its name and its id are erased"
    return "erased", f"{gone}; its pseudonym, its masked hint, labels and dates are left.{kept}"
