"""Seal: chains the audit events that no seal covers yet. Closes every run and every verb that writes events."""

from chat_hygiene.pipeline.context import Context
from chat_hygiene.store import seals


def run(context: Context) -> int:
    """Seals what is unsealed, batch by batch; returns how many events."""
    total = 0
    while True:
        with context.sessions.begin() as session:
            sealed = seals.seal(session, context.keys.audit_key, context.clock())
        if not sealed:
            return total
        total += sealed
