"""What proves how a job ended: its row with the rule that decided, and its events with their places in the chain."""

from sqlalchemy import and_, exists, select
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import DatabaseError
from chat_hygiene.core.events import Event
from chat_hygiene.core.states import OPEN_STATES
from chat_hygiene.store import seals
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.seals import Sealed
from chat_hygiene.store.tables import (
    audit_events,
    chats,
    devices,
    jobs,
    policies,
    policy_runs,
    policy_versions,
)

COLUMNS = tuple(column.name for column in audit_events.c)
"""Of an event, in the order in which they are hashed."""

_ENDED = jobs.c.state.not_in([state.value for state in OPEN_STATES])
_VERSION = and_(policy_versions.c.policy_id == jobs.c.policy_id, policy_versions.c.version == jobs.c.version)
# Who got a certificate proves nothing about the job.
_TELLS = audit_events.c.kind != Event.CERTIFICATE_ISSUED.value


def job(session: Session, job_id: int) -> Record | None:
    """One job with its number, its policy and `rule`, who asked for its run and who approved it, and its chat as it is now.

    `back`: the chat has a new life since. `has_id`: its id is stored. `emptied`: all that was stored of it went.
    """
    emptied = exists().where(
        audit_events.c.job_id == jobs.c.id, audit_events.c.kind == Event.ERASURE_DONE.value
    )
    query = (
        select(
            jobs,
            devices.c.device,
            policies.c.name.label("policy"),
            policy_versions.c.rule,
            *(policy_runs.c[name] for name in ("trigger", "started_at", "requested_by", "approved_by")),
            (chats.c.generation != jobs.c.generation).label("back"),
            chats.c.wid.is_not(None).label("has_id"),
            emptied.label("emptied"),
        )
        .join(devices, devices.c.id == jobs.c.device_id)
        .join(policies, policies.c.id == jobs.c.policy_id)
        .join(policy_versions, _VERSION)
        .join(policy_runs, policy_runs.c.id == jobs.c.run_id)
        .join(chats, chats.c.id == jobs.c.chat_id)
        .where(jobs.c.id == job_id)
    )
    return next(iter(fetch(session, query)), None)


def ended_jobs(session: Session, run_id: int, *, after: int, limit: int) -> list[int]:
    """Ids of a run's jobs that have ended, those beyond `after`, by id."""
    query = select(jobs.c.id).where(jobs.c.run_id == run_id, jobs.c.id > after, _ENDED)
    return list(session.execute(query.order_by(jobs.c.id).limit(limit)).scalars())


def events(session: Session, key: bytes, job_id: int) -> list[Sealed]:
    """A job's events as they were sealed, by their place in the chain.

    Raises AuditBrokenError when the marks of the chain are not this key's, DatabaseError when one is not sealed yet.
    """
    query = select(audit_events.c.seq).where(audit_events.c.job_id == job_id, _TELLS)
    wanted = list(session.execute(query).scalars())
    found = seals.find(session, key, wanted)
    if len(found) < len(wanted):
        raise DatabaseError(
            f"some events of job {job_id} are not sealed yet: others are writing all the time",
            fix="ask again in a moment",
        )
    return found
