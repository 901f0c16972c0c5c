"""Queueing at once all that a run may queue, where neither brakes nor canary keep any of it, as of most runs.

What somebody may have to look at first is put down (`store.withheld`) and queued from there, which writes it three times.
"""

from sqlalchemy import and_, literal

from chat_hygiene.pipeline import judging, rules
from chat_hygiene.pipeline.evaluation import Evaluation
from chat_hygiene.pipeline.judging import Ruling
from chat_hygiene.store import candidates, devices, withheld
from chat_hygiene.store.tables import chats
from chat_hygiene.store.withheld import STALE


def may(evaluation: Evaluation, matched: int) -> bool:
    """Whether it is worth trying: the canary keeps none, and so many matches need not trip a brake."""
    session, stored, settings = evaluation.session, evaluation.stored, evaluation.context.settings
    if matched > stored.policy.limits.max_chats * len(devices.load(session)):
        return False
    canary = judging.canary(session, stored.policy, settings, policy_id=stored.id, version=stored.version)
    return canary.ruling is Ruling.ALL


def queue(evaluation: Evaluation) -> tuple[int, int] | None:
    """How many it queued, and how many wait, put down as withheld, for fresh data of their numbers.

    The brakes judge what is queued by then. None when one trips: all of it is taken back.
    """
    session, stored, now = evaluation.session, evaluation.stored, evaluation.now
    # Before anything is queued: of a number that is synced meanwhile, what was queued does not wait as well.
    fresh = rules.fresh_ids(session, evaluation.context.settings, stored.policy, now=now)
    stale = {each.id for each in devices.load(session)} - fresh
    attempt = session.begin_nested()
    queued = evaluation.queue(and_(evaluation.matches, evaluation.fresh.holds()))
    wanted = candidates.queued_by_device(session, evaluation.run_id)
    if judging.trips(session, stored.policy, evaluation.compiled, wanted, policy_id=stored.id, now=now):
        attempt.rollback()
        return None
    attempt.commit()
    deferred = 0
    # By number, and only if there are any: few matches lie there.
    if stale:
        waiting = and_(evaluation.matches, chats.c.device_id.in_(sorted(stale)))
        deferred = evaluation.withhold(waiting, by=literal(STALE)).get(STALE, 0)
    withheld.forget(session, stored.id, but=evaluation.run_id)
    return queued, deferred
