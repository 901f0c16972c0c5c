"""Reconcile: takes back what a dead or stuck worker left. Opens every run.

A lease that ended before any intent is simply handed back. One that ended with an intent out is a crash: the job goes
back with the intent remembered, so that drain reads before it repeats; the fifth crash puts it in quarantine.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from chat_hygiene.core.decisions import LOST
from chat_hygiene.core.states import JobEvent, JobState
from chat_hygiene.pipeline.context import Context
from chat_hygiene.settings import MAX_CRASHES
from chat_hygiene.store import jobs, moves, sweeps


@dataclass(frozen=True, slots=True)
class Report:
    """How many jobs were handed back, were lost with an intent out, and went into quarantine."""

    released: int = 0
    lost: int = 0
    quarantined: int = 0


def run(context: Context, *, now: datetime, alone: bool = False) -> Report:
    """Takes back every lease that ended; with `alone` all of them: no other worker lives, so none can be working."""
    moved: Counter[JobEvent] = Counter()
    with context.sessions.begin() as session:
        if alone:
            sweeps.release_all(session)
        for job_id, state, crashes in jobs.expired(session, now=now, everyone=alone):
            values: dict[str, object] = {}
            event, detail = JobEvent.RELEASE, {"reason": "lease over"}
            if state is JobState.SENT:
                event = JobEvent.QUARANTINE if crashes + 1 >= MAX_CRASHES else JobEvent.LOSE
                values = {
                    "crashes": crashes + 1,
                    "error_class": LOST,
                    "last_failed_at": now,
                    "next_attempt_at": now,
                }
                detail = {"crashes": str(crashes + 1)}
            moves.move(session, job_id, event, now=now, actor=context.actor, values=values, detail=detail)
            moved[event] += 1
    return Report(moved[JobEvent.RELEASE], moved[JobEvent.LOSE], moved[JobEvent.QUARANTINE])
