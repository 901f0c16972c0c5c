"""Deciding: the runs of all policies, what one of them found, and whether its candidates go."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from chat_hygiene.core.errors import UsageError
from chat_hygiene.pipeline import approval, seal
from chat_hygiene.pipeline.evaluation import Report
from chat_hygiene.store import run_records
from chat_hygiene.store.records import Record
from chat_hygiene.wiring.ledger import Ledger
from chat_hygiene.wiring.operating import check_reason
from chat_policies import ClauseCount, Funnel


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Attributes:
        record: its row, with `policy`, its name, `rule` and `document`.
        chats: what it queued, and what it put down as withheld or listed; oldest first.
        outcomes: how many of its jobs stand in each state.
        put_down: how many of its chats a brake, old data or the stop switch withholds.
    """

    record: Record
    chats: tuple[Record, ...]
    outcomes: dict[str, int]
    put_down: dict[str, int]

    @property
    def funnel(self) -> Funnel | None:
        """The way down that its row keeps; None: it was not evaluated."""
        return funnel_of(self.record)


def funnel_of(record: Record) -> Funnel | None:
    """The funnel that a run's row keeps; None: it was not evaluated."""
    if not record["funnel"]:
        return None
    counts = tuple(
        ClauseCount(each["clause"], each["words"], each["failed"], each["unknown"])
        for each in record["funnel"]
    )
    return Funnel(
        **{name: record[name] for name in ("seen", "in_scope", "matched", "held", "kept")}, clauses=counts
    )


def runs(
    ledger: Ledger,
    *,
    awaiting: bool = False,
    policy: str | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> list[Record]:
    """Runs, newest first: of one policy, if one is given, and older than the run `before`."""
    with ledger.reading() as session:
        return run_records.listing(session, awaiting=awaiting, policy=policy, before=before, limit=limit)


def policies_of_runs(ledger: Ledger) -> list[str]:
    """The names that `runs` can be asked for."""
    with ledger.reading() as session:
        return run_records.of_policies(session)


def run_of(ledger: Ledger, run_id: int, *, limit: int | None = None) -> Run:
    """One run with its chats, at most `limit`. Raises UsageError when there is none."""
    with ledger.reading() as session:
        record = _found(session, run_id)
        chats = tuple(run_records.chats_of(session, run_id, limit=limit))
        return Run(
            record, chats, run_records.outcomes(session, run_id), run_records.put_down(session, run_id)
        )


def page_of_run(ledger: Ledger, run_id: int, *, after: int, size: int) -> tuple[Run, int | None]:
    """One run with so many of its chats, by row, from the one after `after`; and after which chat they go on, None: nowhere.

    Raises UsageError when there is no such run.
    """
    with ledger.reading() as session:
        record = _found(session, run_id)
        chats = run_records.page_of(session, run_id, after=after, limit=size + 1)
        more, chats = len(chats) > size, chats[:size]
        run = Run(
            record, tuple(chats), run_records.outcomes(session, run_id), run_records.put_down(session, run_id)
        )
    return run, chats[-1]["chat_id"] if more else None


def look_at_run(ledger: Ledger, run_id: int, *, now: datetime) -> approval.Look:
    """What approving a run would do. Raises UsageError or SafetyStopError when it cannot be approved."""
    return approval.look(ledger.context, run_id, now=now)


def approve_run(
    ledger: Ledger, run_id: int, *, per_day: int | None, because: str | None, now: datetime
) -> Report:
    """Lets what still matches of a run's candidates go, and seals. Raises UsageError or SafetyStopError."""
    if because is not None:
        check_reason(because)
    try:
        return approval.approve(ledger.context, run_id, per_day=per_day, because=because, now=now)
    finally:
        seal.run(ledger.context)


def reject_run(ledger: Ledger, run_id: int, *, because: str, now: datetime) -> None:
    """None of a run's candidates goes by it; sealed. Raises UsageError or SafetyStopError."""
    check_reason(because)
    approval.reject(ledger.context, run_id, because=because, now=now)
    seal.run(ledger.context)


def _found(session: Session, run_id: int) -> Record:
    record = run_records.find(session, run_id)
    if record is None:
        raise UsageError(f"there is no run {run_id}", fix="chat-hygiene runs list shows them")
    return record
