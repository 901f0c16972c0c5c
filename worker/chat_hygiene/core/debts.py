"""Debt: a chat that we removed here and not provably in WhatsApp. Its states, what a look at it means, and when to look.

    open ──► settled       WhatsApp was read to have removed it, or a later deletion reached WhatsApp
         ├─► superseded    it came back with a newer message: a conversation of its own, which policies judge again
         ├─► abandoned     thirty days without proof: looked for no more, and still unfinished
         └─► written_off   an operator gives it up, and says why

What was abandoned can still end in any of the others, by what happens without our looking.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chat_hygiene.core.facts import ChatFacts


class DebtState(StrEnum):
    """Where a debt stands."""

    OPEN = "open"
    SETTLED = "settled"
    SUPERSEDED = "superseded"
    ABANDONED = "abandoned"
    WRITTEN_OFF = "written_off"


MOVES = {
    DebtState.SETTLED: (DebtState.OPEN, DebtState.ABANDONED),
    DebtState.SUPERSEDED: (DebtState.OPEN, DebtState.ABANDONED),
    DebtState.ABANDONED: (DebtState.OPEN,),
    DebtState.WRITTEN_OFF: (DebtState.OPEN, DebtState.ABANDONED),
}
"""Each state that a debt can move to, and from which ones."""

PROOFS = ("confirmed", "reported")
"""What is known of WhatsApp when nothing is owed there any more."""
ABANDONED_AFTER = timedelta(days=30)
_WAITS = (timedelta(hours=1), timedelta(hours=6))
_DAILY = timedelta(days=1)


def next_look(looks: int, at: datetime) -> datetime:
    """When to look again after the `looks`-th look, made at `at`: an hour later, then six, then daily."""
    return at + (_WAITS[looks - 1] if looks <= len(_WAITS) else _DAILY)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at an owed chat shows. `whatsapp_state` None: nothing was said of WhatsApp."""

    state: DebtState
    whatsapp_state: str | None = None


def found(facts: ChatFacts | None, *, last_message_at: datetime | None) -> Finding:
    """The meaning of a read for a debt whose removed life ended with a message at `last_message_at`.

    None stands for a 404, or an answer that cannot be read: the platform has nothing to say, which settles nothing.
    """
    if facts is None:
        return Finding(DebtState.OPEN)
    if facts.whatsapp_status == "removed":
        return Finding(DebtState.SETTLED, "confirmed")
    newest = facts.last_message_at
    newer = newest is not None and (last_message_at is None or newest > last_message_at)
    if newer and facts.status != "removed":
        return Finding(DebtState.SUPERSEDED, "present")
    return Finding(DebtState.OPEN, None if facts.whatsapp_status is None else "present")
