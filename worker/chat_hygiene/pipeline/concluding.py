"""Concluding a run: which chats a policy's clauses let go, which of them may be queued, and why the rest stays.

A run of the policy, a plan and an approval go through the same clauses. Of a run the stop switch, the brakes and the
canary judge the candidates, in this order. Most runs may queue all of theirs, and do so at once (`at_once`); of the others
they are put down first, what passes is queued, and the rest stays put down as withheld. A plan and an approval begin with
candidates that are put down already, and can only lose some: a person saw that list, so that neither brakes nor canary are
asked.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from sqlalchemy import and_, case, literal
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.core.reasons import Reason
from chat_hygiene.pipeline import at_once, judging, listed, rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.evaluation import Evaluation, Report, mode
from chat_hygiene.pipeline.judging import Ruling
from chat_hygiene.store import audit, candidates, runs, switches, withheld
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.withheld import BRAKE, STALE, STOPPED
from chat_policies import Funnel, UnknownDeviceError


def conclude(
    context: Context,
    session: Session,
    stored: StoredPolicy,
    run_id: int,
    *,
    now: datetime,
    planned: bool = False,
) -> Report:
    """Evaluates a run and ends it, or leaves it to await approval; `planned`: restricted to the plan that it put down."""
    name = stored.policy.name
    candidates.plan_anew(session)
    try:
        compiled = rules.clauses(session, stored.policy, context.settings, now=now)
    except UnknownDeviceError as error:
        reason = Reason.UNKNOWN_DEVICE.value
        report = Report(run_id, name, mode(stored), "failed", reason, notes=(str(error),))
    else:
        evaluation = Evaluation(context, session, stored, run_id, compiled, now)
        cancelled = evaluation.cancel_stopped()
        report = (_evaluate_plan if planned else _evaluate)(evaluation, candidates.funnel(session, compiled))
        report = replace(report, cancelled=cancelled)
    close(context, session, stored, report, now=now)
    return report


def _evaluate(evaluation: Evaluation, funnel: Funnel) -> Report:
    session, stored, run_id, now = evaluation.session, evaluation.stored, evaluation.run_id, evaluation.now
    runs.supersede(
        session,
        stored.id,
        policy=stored.policy.name,
        by_run=run_id,
        now=now,
        actor=evaluation.context.actor,
    )
    notes = tuple(_never_known(funnel))
    if not stored.enforces:
        return _observe(evaluation, funnel, notes)
    stopped = switches.stopped(session) is not None
    went = at_once.queue(evaluation) if not stopped and at_once.may(evaluation, funnel.matched) else None
    if went is not None:
        queued, deferred = went
        duplicates = max(0, funnel.matched - queued - deferred)
        report = _all_went(evaluation, queued, deferred=deferred, duplicates=duplicates)
    else:
        fresh = case((evaluation.fresh.holds(), literal(BRAKE)), else_=literal(STALE))
        counts = evaluation.withhold(evaluation.matches, by=literal(STOPPED) if stopped else fresh)
        withheld.forget(session, stored.id, but=run_id)
        duplicates = max(0, funnel.matched - sum(counts.values()))
        report = _judge(evaluation, counts, stopped=stopped, duplicates=duplicates)
    return replace(report, funnel=funnel, duplicates=duplicates, notes=(*notes, *report.notes))


def _observe(evaluation: Evaluation, funnel: Funnel, notes: tuple[str, ...]) -> Report:
    session, stored = evaluation.session, evaluation.stored
    withheld.forget(session, stored.id)
    reachable = candidates.by_device(session, and_(evaluation.matches, evaluation.fresh.holds()))
    found = candidates.count(session, evaluation.matches)
    trips = judging.trips(
        session, stored.policy, evaluation.compiled, reachable, policy_id=stored.id, now=evaluation.now
    )
    would = tuple(f"if it enforced, it would await an approval: {trip.words}" for trip in trips)
    return replace(
        evaluation.report("done", Reason.OBSERVE),
        funnel=funnel,
        notes=(*notes, *would),
        deferred=found - sum(reachable.values()),
        duplicates=max(0, funnel.matched - found),
    )


def _judge(evaluation: Evaluation, counts: dict[str, int], *, stopped: bool, duplicates: int) -> Report:
    session, stored, run_id, now = evaluation.session, evaluation.stored, evaluation.run_id, evaluation.now
    reachable, stale = counts.get(BRAKE, 0), counts.get(STALE, 0)
    expires_at = now + evaluation.context.settings.approval_expiry_seconds
    candidate = withheld.among(run_id, by=BRAKE)
    if stopped:
        return evaluation.report("done", Reason.STOPPED)
    if not reachable:
        return _all_went(evaluation, 0, deferred=stale, duplicates=duplicates)
    verdict = judging.run(
        session,
        stored.policy,
        evaluation.compiled,
        candidates.by_device(session, candidate),
        evaluation.context.settings,
        policy_id=stored.id,
        version=stored.version,
        now=now,
    )
    match verdict.ruling:
        case Ruling.ALL:
            queued = evaluation.queue(candidate)
            # Another policy's run may have been first with some of them.
            withheld.let_go(session, run_id, by=BRAKE)
            return _all_went(evaluation, queued, deferred=stale, duplicates=duplicates)
        case Ruling.FIRST:
            queued = evaluation.queue(withheld.oldest(run_id, verdict.first))
            report = replace(evaluation.report("done", Reason.QUEUED), queued=queued, canary=True)
            return replace(report, deferred=stale + reachable - queued)
        case Ruling.WAIT:
            return replace(evaluation.report("done", Reason.CANARY), deferred=stale + reachable)
        case Ruling.ASK_BRAKE:
            report = evaluation.report(runs.AWAITING, Reason.BRAKE)
            return replace(report, deferred=stale, trips=verdict.trips, expires_at=expires_at)
        case Ruling.ASK_CANARY:
            report = evaluation.report(runs.AWAITING, Reason.CANARY)
            return replace(report, deferred=stale, notes=verdict.words, expires_at=expires_at)


def _all_went(evaluation: Evaluation, queued: int, *, deferred: int, duplicates: int) -> Report:
    if queued:
        reason = Reason.QUEUED
    else:
        reason = Reason.STALE if deferred else Reason.ALREADY_QUEUED if duplicates else Reason.NOTHING_MATCHED
    return replace(evaluation.report("done", reason), queued=queued, deferred=deferred)


def _evaluate_plan(evaluation: Evaluation, funnel: Funnel) -> Report:
    if not evaluation.stored.enforces:
        report = evaluation.report("done", Reason.OBSERVE)
    elif switches.stopped(evaluation.session) is not None:
        report = evaluation.report("done", Reason.STOPPED)
    else:
        report = listed.queue(evaluation, by=None)
    return replace(report, funnel=funnel, notes=tuple(_never_known(funnel)))


def _never_known(funnel: Funnel) -> Iterator[str]:
    for each in funnel.clauses:
        asked = funnel.seen if each.name.startswith("scope.") else funnel.in_scope
        if asked and each.unknown == asked:
            yield f"“{each.words}” is not known of any chat, so that none can go: no answer of the API says it"


def close(context: Context, session: Session, stored: StoredPolicy, report: Report, *, now: datetime) -> None:
    """Writes what a run did into its row and into the audit."""
    funnel = report.funnel
    digest = None
    if report.state == runs.AWAITING:
        digest = withheld.digest(session, report.run_id, by=BRAKE)
    elif report.queued:
        tell_queued(context, session, stored, report, now=now)
    runs.finish(
        session,
        report.run_id,
        policy=report.policy,
        version=stored.version,
        state=report.state,
        reason=report.reason,
        now=now,
        actor=context.actor,
        counts={
            "seen": funnel.seen,
            "in_scope": funnel.in_scope,
            "matched": funnel.matched,
            "held": funnel.held,
            "kept": funnel.kept,
            "deferred": report.deferred,
            "queued": report.queued,
            "duplicates": report.duplicates,
        },
        funnel=[
            {"clause": each.name, "words": each.words, "failed": each.failed, "unknown": each.unknown}
            for each in funnel.clauses
        ],
        notes=(*(trip.words for trip in report.trips), *report.notes),
        canary=report.canary,
        digest=digest,
        expires_at=report.expires_at,
    )


def tell_queued(
    context: Context, session: Session, stored: StoredPolicy, report: Report, *, now: datetime
) -> None:
    """The one event of all that a run queued."""
    audit.append(
        session,
        Event.JOBS_QUEUED,
        at=now,
        actor=context.actor,
        policy=report.policy,
        policy_version=stored.version,
        run_id=report.run_id,
        detail={"count": report.queued, "digest": candidates.digest(session, report.run_id)},
    )
