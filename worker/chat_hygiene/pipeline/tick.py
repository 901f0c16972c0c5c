"""Tick: the slots that came due get their runs, and everything that should be at work is named.

It is the sweep too. Each look starts from SQL alone, so whatever a lost message should have woken is woken by the next
tick. Two ticks at once are harmless: a policy is claimed by compare-and-set, and a slot has one run.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import true
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import UnreadablePolicyError
from chat_hygiene.core.events import Event
from chat_hygiene.core.reasons import Reason
from chat_hygiene.pipeline import approval, outlook, purge, readiness
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.house import catch_up_of
from chat_hygiene.pipeline.slots import Slots, came_due
from chat_hygiene.settings import MAX_CLOCK_SKEW
from chat_hygiene.store import audit, debts, heartbeats, jobs, policies, runs, sweeps
from chat_hygiene.store.engine import reading
from chat_hygiene.store.policies import Due
from chat_hygiene.store.runs import Skipped
from chat_policies import Policy, next_fire

PART = "tick"
"""Whose heartbeat is written here."""

LATE_AFTER = timedelta(seconds=60)
PURGE_EVERY = timedelta(days=1)
_EVER = timedelta(days=36500)
UNREADABLE_AGAIN_AFTER = timedelta(days=1)
"""When a policy whose schedule cannot be computed is tried again: a newer program, or newer time zones, may read it."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wake:
    """What should be at work now. Waking is a hint: whoever is woken looks again.

    Attributes:
        account: the account's numbers are to be listed.
        devices: row ids of the numbers to sync.
        runs: ids of the runs that wait to be evaluated.
        drain: jobs are due on a number that can be worked.
        reconcile: a lease is over.
        debts: a debt is due for a look.
        purge: our own rows are to be looked through.
        late: how long nobody looked at the schedules, when that was too long.
    """

    account: bool
    devices: tuple[int, ...]
    runs: tuple[int, ...]
    drain: bool
    reconcile: bool
    debts: bool
    purge: bool
    late: timedelta | None = None


def run(context: Context, *, now: datetime) -> Wake:
    """Claims every due policy, asks for the syncs that waiting runs lack, then looks around."""
    with reading(context.sessions) as session:
        due = policies.due(session, now=now)
        ahead = _ran_ahead(session, now=now)
    for each in ahead:
        _plan_anew(context, each, now=now)
    for each in due:
        _claim(context, each, now=now)
    approval.expire(context, now=now)
    _ask_for_syncs(context, now=now)
    seen = _look(context, now=now)
    # Last, so that a tick that fails gives no sign of life.
    return replace(seen, late=_beat(context, now))


def _ran_ahead(session: Session, *, now: datetime) -> list[Due]:
    """All schedules, after a tick of the future: the clock that it went by may have passed over slots."""
    last = heartbeats.at(session, PART)
    return policies.due(session, now=now + _EVER) if last is not None and last - now > MAX_CLOCK_SKEW else []


def _plan_anew(context: Context, planned: Due, *, now: datetime) -> None:
    """The next slot is the schedule's next; one that a clock which ran ahead has taken already has its run."""
    try:
        policy = Policy.from_document(planned.document)
        assert policy.schedule is not None  # noqa: S101 - every delete policy has one
        upcoming = next_fire(policy.schedule, policy.timezone, now)
    except Exception:  # noqa: BLE001 - one that cannot be computed is told when it is due
        return
    if planned.slot > upcoming:
        with context.sessions.begin() as session:
            policies.claim(session, planned, next_run_at=upcoming)


def _beat(context: Context, now: datetime) -> timedelta | None:
    with context.sessions.begin() as session:
        before = heartbeats.beat(session, PART, now=now)
        if before is None or now - before <= LATE_AFTER:
            return None
        late = now - before
        detail = {"seconds": round(late.total_seconds())}
        audit.append(session, Event.TICK_LATE, at=now, actor=context.actor, detail=detail)
        return late


def _claim(context: Context, due: Due, *, now: datetime) -> None:
    # Nothing is locked while slots are counted, which takes seconds after a year's outage: the claim compares.
    try:
        policy = Policy.from_document(due.document)
        slots = came_due(policy, due.slot, catch_up=catch_up_of(policy, context.settings), now=now)
    except Exception:  # noqa: BLE001 - one policy's document or calendar must not stop the others
        _log.exception("the schedule of a policy cannot be computed", policy=due.name)
        _fail(context, due, now=now)
        return
    with context.sessions.begin() as session:
        if not policies.claim(session, due, next_run_at=slots.upcoming):
            return
        # A run that still waits for its sync makes up for this slot too.
        makes_up = None if runs.waiting(session, policy_id=due.id) else slots.run
        _skip(context, session, due, slots, makes_up, now=now)
        if makes_up is not None:
            runs.open_slot(
                session,
                due.id,
                due.version,
                policy=due.name,
                mode=due.mode,
                slot=makes_up,
                now=now,
                actor=context.actor,
            )


def _skip(
    context: Context, session: Session, due: Due, slots: Slots, makes_up: datetime | None, *, now: datetime
) -> None:
    inside = [*slots.coalesced, *([slots.run] if slots.run is not None else [])]
    coalesced = [Skipped(slot, "done", Reason.COALESCED) for slot in inside if slot != makes_up]
    missed = [Skipped(slot, "expired", Reason.MISSED) for slot in slots.missed]
    if not (coalesced or missed):
        return
    runs.skip(session, due.id, due.version, mode=due.mode, slots=[*missed, *coalesced], now=now)
    detail = {
        "since": due.slot.isoformat(),
        "coalesced": len(coalesced),
        "missed": len(missed),
        "further": slots.further,
    }
    audit.append(
        session,
        Event.RUN_SKIPPED,
        at=now,
        actor=context.actor,
        policy=due.name,
        policy_version=due.version,
        detail=detail,
    )


def _fail(context: Context, due: Due, *, now: datetime) -> None:
    with context.sessions.begin() as session:
        if not policies.claim(session, due, next_run_at=now + UNREADABLE_AGAIN_AFTER):
            return
        run_id = runs.open_slot(
            session,
            due.id,
            due.version,
            policy=due.name,
            mode=due.mode,
            slot=due.slot,
            now=now,
            actor=context.actor,
        )
        if run_id is not None:
            runs.fail(
                session,
                run_id,
                policy=due.name,
                version=due.version,
                reason=Reason.UNREADABLE,
                now=now,
                actor=context.actor,
            )


def _ask_for_syncs(context: Context, *, now: datetime) -> None:
    settings, lacking = context.settings, {}
    with reading(context.sessions) as session:
        for run in runs.waiting(session):
            try:
                policy = policies.load_by_id(session, run.policy_id).policy
            except UnreadablePolicyError:  # its evaluation says so
                continue
            for device in readiness.awaited(session, policy, settings, since=run.started_at, now=now):
                # One that was never swept is due as it is.
                last = device.last_full_sync_at
                if last is not None and readiness.lacks_sweep(device, settings, now=now):
                    # A sweep that began while the last was still good, and is under way, will do.
                    lacking[device.id] = last + settings.freshness_seconds / 2
    if lacking:
        with context.sessions.begin() as session:
            for device_id, at in sorted(lacking.items()):
                sweeps.want(session, [device_id], at=at)


def _look(context: Context, *, now: datetime) -> Wake:
    settings, drain = context.settings, _can_delete(context, now=now)
    with reading(context.sessions) as session:
        listed = heartbeats.chore_done_at(session, readiness.ACCOUNT)
        purged = heartbeats.chore_done_at(session, purge.CHORE)
        lease = jobs.first_lease_end(session, others_than="")
        return Wake(
            account=_older(listed, settings.sync_interval_seconds, now),
            devices=tuple(sweeps.due(session, settings, now=now)),
            runs=tuple(run.id for run in runs.waiting(session)),
            drain=drain,
            reconcile=lease is not None and lease <= now,
            debts=debts.due(session, now=now),
            purge=_older(purged, PURGE_EVERY, now),
        )


def _older(at: datetime | None, than: timedelta, now: datetime) -> bool:
    # An instant of the future was written by a clock that ran ahead.
    return at is None or now - at >= than or at - now > MAX_CLOCK_SKEW


def _can_delete(context: Context, *, now: datetime) -> bool:
    """Whether a job is due that can be worked."""
    if context.settings.read_only:
        return False
    seen = outlook.look(context, mine=true())
    return seen.stopped is None and any(prospect.at <= now for prospect in seen.prospects)
