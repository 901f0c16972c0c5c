"""Erasures on request: the jobs of chats that somebody named, and what becomes of all that is stored of such a chat."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.core.states import HOLDING_STATES, JobState
from chat_hygiene.store import audit, policies
from chat_hygiene.store.policies import ON_REQUEST
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import chats, devices, jobs, policy_runs, policy_versions
from chat_hygiene.store.tables import policies as heads

RULE = "asked for by name"
ERASED = "erased"
"""What stands where a masked hint stood."""
_KEPT = frozenset(
    {
        *("id", "device_id", "wid", "generation", "kind", "chat_ref", "key_id", "synced_at", "seen_sweep"),
        *("missing_since", "removed_at", "removed_how", "removed_last_message_at", "resurrected_at"),
    }
)
"""Columns of an erased chat that say no more than that it was there, and tell it from a conversation to come."""

_HOLDING = jobs.c.state.in_([state.value for state in HOLDING_STATES])


@dataclass(frozen=True, slots=True)
class Holder:
    """The job that has a chat's present life, or had it last. `policy` is its name."""

    job_id: int
    policy: str
    state: JobState
    call_out: bool


def policy_row(session: Session, *, now: datetime, actor: str) -> int:
    """The row id of `ON_REQUEST`, made when first needed; locked, so that one request is stored at a time."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {
        "name": ON_REQUEST.name,
        "action": ON_REQUEST.action,
        "state": "active",
        "version": 1,
        "created_at": now,
    }
    made = dialect.insert(heads).values(row).on_conflict_do_nothing().returning(heads.c.id)
    policy_id: int | None = session.execute(made).scalar_one_or_none()
    if policy_id is None:
        policy_id = session.execute(select(heads.c.id).where(heads.c.name == ON_REQUEST.name)).scalar_one()
    else:
        version = {
            "policy_id": policy_id,
            "version": 1,
            "document": {"name": ON_REQUEST.name, "mode": ON_REQUEST.mode},
            "rule": RULE,
            "created_by": actor,
            "created_at": now,
        }
        session.execute(insert(policy_versions).values(version))
    policies.lock(session, policy_id)
    return policy_id


def slot(session: Session, policy_id: int, *, now: datetime) -> datetime:
    """The slot of a request's run: now, or just after that of the one before if both came in one instant."""
    query = select(func.max(policy_runs.c.scheduled_for)).where(policy_runs.c.policy_id == policy_id)
    last: datetime | None = session.execute(query).scalar_one()
    return now if last is None or last < now else last + timedelta(microseconds=1)


def lock(session: Session, chat_ids: Sequence[int]) -> None:
    """The jobs that have these chats' lives stay as they are until the transaction ends."""
    query = select(jobs.c.id).where(jobs.c.chat_id.in_(chat_ids), _HOLDING).order_by(jobs.c.id)
    session.execute(query.with_for_update())


def holder(session: Session, chat: Record) -> Holder | None:
    """Who has the chat's present life; of a chat that we removed the job that did."""
    query = (
        select(jobs.c.id, heads.c.name, jobs.c.state, jobs.c.intent)
        .join(heads, heads.c.id == jobs.c.policy_id)
        .where(
            jobs.c.chat_id == chat["id"],
            jobs.c.generation == chat["generation"],
            _HOLDING,
        )
    )
    row = session.execute(query).one_or_none()
    return (
        None
        if row is None
        else Holder(row.id, row.name, JobState(row.state), call_out=row.intent is not None)
    )


def queue(
    session: Session, chat: Record, *, run_id: int, policy_id: int, version: int, now: datetime
) -> int | None:
    """The job of a chat, due at once; None when another one has the chat's life by now."""
    copied = ("generation", "device_id", "chat_ref", "chat_hint")
    values = {
        "chat_id": chat["id"],
        **{name: chat[name] for name in copied},
        "run_id": run_id,
        "policy_id": policy_id,
        "version": version,
        "reason": RULE,
        "state": JobState.QUEUED.value,
        **dict.fromkeys(("queued_at", "matched_at", "not_before", "next_attempt_at"), now),
    }
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    job = dialect.insert(jobs).values(values).on_conflict_do_nothing().returning(jobs.c.id)
    job_id: int | None = session.execute(job).scalar_one_or_none()
    return job_id


def done(
    session: Session,
    chat_id: int,
    *,
    device: str,
    chat_ref: str,
    proof: int | None,
    run_id: int,
    version: int,
    now: datetime,
    actor: str,
) -> None:
    """Empties what is stored of a removed chat, and tells the audit.

    Its id stays while the removal is owed in WhatsApp, as of any chat. `proof` is the job that tells of the removal: its
    masked hint stays, those of the chat's other jobs go.
    """
    # What is not named as kept goes: a column that is added some day is emptied, too.
    values: dict[str, object] = {
        column.name: None for column in chats.c if column.name not in _KEPT and column.nullable
    }
    values |= {"chat_hint": ERASED, "labels": []}
    changed = update(chats).where(chats.c.id == chat_id).values(values).returning(chats.c.wid)
    wid = session.execute(changed).scalar_one()
    others = [] if proof is None else [jobs.c.id != proof]
    session.execute(update(jobs).where(jobs.c.chat_id == chat_id, *others).values(chat_hint=ERASED))
    audit.append(
        session,
        Event.ERASURE_DONE,
        at=now,
        actor=actor,
        policy=ON_REQUEST.name,
        policy_version=version,
        run_id=run_id,
        job_id=proof,
        device=device,
        chat_ref=chat_ref,
        detail={"id_kept": wid is not None},
    )


def listing(session: Session, *, limit: int | None = None) -> list[Record]:
    """The jobs of erasures as `jobs.find` gives them, newest first, each with its run's requester and notes."""
    query = (
        select(
            jobs,
            *(devices.c.device, devices.c.alias, heads.c.name.label("policy")),
            *(policy_runs.c.requested_by, policy_runs.c.notes),
        )
        .join(devices, devices.c.id == jobs.c.device_id)
        .join(policy_runs, policy_runs.c.id == jobs.c.run_id)
        .join(heads, heads.c.id == jobs.c.policy_id)
        .where(heads.c.name == ON_REQUEST.name)
        .order_by(jobs.c.id.desc())
        .limit(limit)
    )
    return fetch(session, query)
