"""Canaries: how the first few chats of a policy's version fared, before it may queue the others (law 8)."""

from enum import StrEnum

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from chat_hygiene.core.states import OPEN_STATES, JobState
from chat_hygiene.store.tables import jobs, policy_runs

_ENDED_BADLY = {JobState.REMOVED_LOCALLY, JobState.FAILED, JobState.QUARANTINED}


class Canary(StrEnum):
    """Where a version stands."""

    AHEAD = "ahead"
    """No run of it has queued anything by itself yet."""
    UNDER_WAY = "under way"
    """Some of the first few have not ended yet."""
    FAILED = "failed"
    """One of them ended neither deleted nor already gone nor cancelled."""
    PASSED = "passed"
    """All of them ended well, or somebody approved a run of this version."""


def of_version(session: Session, policy_id: int, version: int) -> tuple[Canary, int | None]:
    """How the canary of this version of a policy stands, and the run that queued it."""
    mine = and_(policy_runs.c.policy_id == policy_id, policy_runs.c.version == version)
    # A plan names some chats: whoever chose those has not seen the others.
    approved = and_(mine, policy_runs.c.approved_by.is_not(None), policy_runs.c.trigger != "plan")
    if session.execute(select(policy_runs.c.id).where(approved).limit(1)).one_or_none() is not None:
        return Canary.PASSED, None
    run_id = session.execute(
        select(func.max(policy_runs.c.id)).where(mine, policy_runs.c.canary)
    ).scalar_one()
    if run_id is None:
        return Canary.AHEAD, None
    ended = select(jobs.c.state).where(jobs.c.run_id == run_id).distinct()
    states = {JobState(state) for state in session.execute(ended).scalars()}
    if states & _ENDED_BADLY:
        return Canary.FAILED, run_id
    return (Canary.UNDER_WAY if states & set(OPEN_STATES) else Canary.PASSED), run_id
