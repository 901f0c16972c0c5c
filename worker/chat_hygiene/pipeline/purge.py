"""Purge: our own rows go when they are older than their retention, and the audit says how many.

Each batch is a short transaction of its own, so that nobody waits for a purge and a killed one has lost nothing.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from chat_hygiene.core.events import Event
from chat_hygiene.pipeline.context import Context
from chat_hygiene.store import audit, candidates, heartbeats, purging
from chat_hygiene.store.purging import Key

BATCH = 1000
CHORE = "purge"
"""What the purge is called among the chores."""


@dataclass(frozen=True, slots=True)
class Report:
    """How many rows of each kind went; `more`: it was stopped before it had seen all."""

    gone: dict[str, int] = field(default_factory=dict)
    more: bool = False


def run(context: Context, *, now: datetime, stop: Callable[[], bool] = lambda: False) -> Report:
    """Lets go of jobs, runs and chats that ended longer ago than `RECORDS_KEPT_SECONDS`; ends early once `stop()`."""
    # Whatever the setting says: evaluations count the failures and removals of so many days.
    kept = max(
        context.settings.records_kept_seconds,
        candidates.FAILED_AGAIN_AFTER,
        candidates.RESURRECTED_AGAIN_AFTER,
    )
    gone: Counter[str] = Counter()
    for kind in purging.KINDS:
        after: Key | None = None
        while True:
            if stop():
                return Report(dict(gone), more=True)
            with context.sessions.begin() as session:
                keys = purging.remove(session, kind, before=now - kept, after=after, limit=BATCH)
                if keys:
                    detail = {kind.name: len(keys), "before": (now - kept).isoformat()}
                    audit.append(session, Event.RECORDS_PURGED, at=now, actor=context.actor, detail=detail)
            gone[kind.name] += len(keys)
            if len(keys) < BATCH:
                break
            after = keys[-1]
    with context.sessions.begin() as session:
        heartbeats.chore_done(session, CHORE, now=now)
    return Report(dict(gone))
