"""Stopping: the one switch that keeps every DELETE from going out, whatever policy, run or person wants it."""

from chat_hygiene.store import jobs, switches
from chat_hygiene.store.switches import Stop
from chat_hygiene.wiring.ledger import Ledger
from chat_hygiene.wiring.operating import check_reason
from chat_hygiene.wiring.running import RUN_WAITS_FOR


def stopped(ledger: Ledger) -> Stop | None:
    """The stop in force, if any."""
    with ledger.reading() as session:
        return switches.stopped(session)


def due(ledger: Ledger) -> int:
    """How many jobs a worker would take up at once, or a `run` would wait for, if deleting were not stopped."""
    with ledger.reading() as session:
        return jobs.count_due(session, mine=jobs.of_policies(None), before=ledger.now() + RUN_WAITS_FOR)


def stop(ledger: Ledger, *, reason: str) -> tuple[Stop, bool]:
    """Stops all deleting: what is out already is finished, nothing else goes. Returns the stop, and whether it is new.

    Raises UsageError for a reason that may not stand in the audit.
    """
    check_reason(reason)
    with ledger.writing() as session:
        return switches.stop(session, reason=reason, now=ledger.now(), actor=ledger.settings.actor)


def start(ledger: Ledger, *, reason: str | None) -> Stop | None:
    """Lets deleting go on. Returns the stop that it ended; None: there was none. Raises UsageError like `stop`."""
    if reason is not None:
        check_reason(reason)
    with ledger.writing() as session:
        return switches.start(session, reason=reason, now=ledger.now(), actor=ledger.settings.actor)
