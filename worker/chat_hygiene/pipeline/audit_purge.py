"""Purge of the audit: its oldest events go when its own retention is over, and the rest goes on to verify.

Each batch is a short transaction of its own, so that nobody waits for a purge, and a killed one has only done less.
"""

from collections.abc import Callable
from datetime import datetime

from chat_hygiene.pipeline import seal
from chat_hygiene.pipeline.context import Context
from chat_hygiene.store import checkpoints


def run(
    context: Context, *, through: int, now: datetime, progress: Callable[[int], None] = lambda _gone: None
) -> int:
    """Removes every sealed event up to position `through`, and seals what says so; returns how many went.

    `progress` gets how many are gone so far. Raises AuditBrokenError when those that should go do not verify.
    """
    gone = 0
    while True:
        with context.sessions.begin() as session:
            removed = checkpoints.remove(
                session, context.keys.audit_key, through=through, now=now, actor=context.actor
            )
        if not removed:
            break
        gone += removed
        progress(gone)
    seal.run(context)
    return gone
