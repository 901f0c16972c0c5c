"""Evaluate: a policy's run begins, now or from its schedule, and is concluded (`concluding`), in one transaction.

A scheduled run waits, in its row, until the policy's numbers were synced (`readiness`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import DatabaseError, SafetyStopError, UnreadablePolicyError
from chat_hygiene.core.reasons import Reason
from chat_hygiene.pipeline import concluding, readiness
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.evaluation import Dropped, Report, mode
from chat_hygiene.store import policies, runs, withheld
from chat_hygiene.store.engine import reading
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.withheld import Listed

__all__ = ["Report", "run", "scheduled"]

_log = structlog.get_logger(__name__)


def run(
    context: Context,
    name: str,
    *,
    trigger: str,
    slot: datetime,
    now: datetime,
    only: Sequence[Listed] | None = None,
    version: int | None = None,
) -> Report:
    """Evaluates the policy's current version for `slot`.

    With `only`, a plan's candidates, no other chat is queued and neither brakes nor canary are judged: the actor has
    approved that list. Nothing happens by a paused policy. Raises SafetyStopError, and changes nothing, when the policy
    was retired, or is not at `version`, if given.
    """
    with context.sessions.begin() as session:
        policies.lock(session, _stored(session, name).id)
        stored = _stored(session, name)
        if version not in {None, stored.version}:
            raise SafetyStopError(f"{name} is at version {stored.version} by now, not {version}")
        run_id = runs.start(
            session,
            stored.id,
            stored.version,
            mode=mode(stored),
            trigger=trigger,
            slot=slot,
            now=now,
            by=context.actor,
            approved_by=None if only is None else context.actor,
        )
        if stored.state == "paused":
            # Its queue stands still as it is, what stopped matching included.
            report = Report(run_id, name, stored.policy.mode, "expired", Reason.PAUSED.value)
            concluding.close(context, session, stored, report, now=now)
            return report
        if only is None:
            return concluding.conclude(context, session, stored, run_id, now=now)
        unknown = withheld.list_plan(session, run_id, only, grace=stored.policy.grace, now=now)
        report = concluding.conclude(context, session, stored, run_id, now=now, planned=True)
        gone = tuple(Dropped(ref, "", "gone", "still stored here") for ref in unknown)
        return replace(report, dropped=(*gone, *report.dropped))


def _stored(session: Session, name: str) -> StoredPolicy:
    for stored in policies.load(session, [name]):
        return stored
    raise SafetyStopError(f"{name} was retired by now", fix="chat-hygiene policy list shows what is stored")


def scheduled(context: Context, run_id: int, *, now: datetime) -> Report | None:
    """Evaluates a run that waits for its sync, by the policy's current version.

    None when it has to wait on, is being evaluated elsewhere, or ended already. A database in trouble is raised, and the
    run waits on; any other error ends it as failed.
    """
    try:
        with context.sessions.begin() as session:
            return _scheduled(context, session, run_id, now=now)
    except (DatabaseError, OperationalError):
        if not _given_up(context, run_id, now=now):
            raise
        reason = Reason.DATABASE.value
        _log.exception("a run could not be evaluated for as long as its data may be old", run=run_id)
    except UnreadablePolicyError as error:
        reason = Reason.UNREADABLE.value
        _log.warning("a run could not be evaluated", run=run_id, because=str(error))
    except Exception as error:  # noqa: BLE001 - tried again it would only fail again
        reason = f"error: {type(error).__name__}"
        _log.exception("a run could not be evaluated", run=run_id)
    return _fail(context, run_id, reason, now=now)


def _scheduled(context: Context, session: Session, run_id: int, *, now: datetime) -> Report | None:
    run = runs.take(session, run_id)
    if run is None or not policies.try_lock(session, run.policy_id):
        return None
    stored = policies.load_by_id(session, run.policy_id)
    if stored.state != "active" or stored.policy.action != "delete":
        reason = stored.state if stored.state != "active" else Reason.KEEP_POLICY.value
        report = Report(run_id, run.policy, "observe", "expired", reason)
        concluding.close(context, session, stored, report, now=now)
        return report
    if not readiness.ready(session, stored.policy, context.settings, since=run.started_at, now=now):
        return None
    runs.evaluating(session, run_id, version=stored.version, mode=mode(stored))
    return concluding.conclude(context, session, stored, run_id, now=now)


def _given_up(context: Context, run_id: int, *, now: datetime) -> bool:
    with reading(context.sessions) as session:
        started = next((run.started_at for run in runs.waiting(session) if run.id == run_id), now)
    return now - started >= context.settings.freshness_seconds


def _fail(context: Context, run_id: int, reason: str, *, now: datetime) -> Report | None:
    with context.sessions.begin() as session:
        run = runs.take(session, run_id)
        if run is None:
            return None
        runs.fail(
            session,
            run_id,
            policy=run.policy,
            version=run.version,
            reason=reason,
            now=now,
            actor=context.actor,
        )
    return Report(run_id, run.policy, "observe", "failed", reason)
