"""Candidates that a person saw, in a plan or in a run that awaits approval: they can only become fewer.

They go through the same clauses as any; neither brakes nor canary are asked.
"""

from dataclasses import replace

from sqlalchemy import and_

from chat_hygiene.core.reasons import Reason
from chat_hygiene.pipeline.evaluation import FRESH, Dropped, Evaluation, Report
from chat_hygiene.store import candidates, withheld


def queue(evaluation: Evaluation, *, by: str | None, per_day: int | None = None) -> Report:
    """Queues those of a run's candidates that still match: `by` says which, as in `store.withheld`; names the others."""
    session, run_id = evaluation.session, evaluation.run_id
    matches = and_(evaluation.matches, evaluation.fresh.holds())
    among = withheld.among(run_id, by=by)
    before = candidates.count(session, and_(among, withheld.queued(run_id)))
    queued = evaluation.queue(and_(matches, among), per_day=per_day)
    dropped = kept(evaluation, by=by)
    stale = sum(each.clause == FRESH for each in dropped)
    if queued:
        reason = Reason.QUEUED
    elif stale:
        reason = Reason.STALE
    else:
        reason = Reason.ALREADY_QUEUED if before else Reason.NOTHING_MATCHED
    report = evaluation.report("done", reason)
    return replace(report, queued=queued, deferred=stale, duplicates=before, dropped=dropped)


def kept(evaluation: Evaluation, *, by: str | None) -> tuple[Dropped, ...]:
    """Those of a run's candidates that are not queued and may not go, oldest first, each with what keeps it."""
    clauses = (*evaluation.compiled.clauses, evaluation.job, evaluation.fresh)
    words = {each.name: each.words if each.wanted else f"unless {each.words}" for each in clauses}
    words |= {withheld.GENERATION: "still the conversation that was listed"}
    return tuple(
        Dropped(ref, hint, clause, words[clause])
        for ref, hint, clause in withheld.kept(evaluation.session, evaluation.run_id, clauses, by=by)
        if clause is not None
    )
