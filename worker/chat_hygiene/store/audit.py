"""The audit trail: appended to in the transaction of what it tells about, and never changed afterwards."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from chat_hygiene.core.events import Event
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import audit_events

_EVENT = insert(audit_events)

Entry = dict[str, Any]
"""An event's columns."""


def entry(
    kind: Event,
    *,
    at: datetime,
    actor: str,
    policy: str | None = None,
    policy_version: int | None = None,
    run_id: int | None = None,
    job_id: int | None = None,
    device: str | None = None,
    chat_ref: str | None = None,
    outcome: str | None = None,
    detail: Mapping[str, object] | None = None,
) -> Entry:
    """An event to append. `detail` is kept as JSON text with sorted keys; it may hold no number and no name."""
    return {
        "at": at,
        "kind": kind.value,
        "actor": actor,
        "policy": policy,
        "policy_version": policy_version,
        "run_id": run_id,
        "job_id": job_id,
        "device": device,
        "chat_ref": chat_ref,
        "outcome": outcome,
        "detail": None if detail is None else _text(detail),
    }


def append(session: Session, kind: Event, *, at: datetime, actor: str, **columns: Any) -> None:  # noqa: ANN401 - as of `entry`
    """Appends one event; see `entry`."""
    append_all(session, [entry(kind, at=at, actor=actor, **columns)])


def append_all(session: Session, events: Sequence[Entry]) -> None:
    """Appends several events, in their order."""
    if events:
        session.execute(_EVENT, events)


def find(
    session: Session,
    *,
    chat_refs: Sequence[str] | None = None,
    job_id: int | None = None,
    after: int = 0,
    through: int | None = None,
    limit: int | None = None,
    newest_first: bool = False,
) -> list[Record]:
    """Events with all columns, oldest first: those of these chats or of this job (None: all).

    Only those whose `seq` is beyond `after`, and not beyond `through`.
    """
    seq = audit_events.c.seq
    wanted = (
        select(audit_events).where(seq > after).order_by(seq.desc() if newest_first else seq).limit(limit)
    )
    if chat_refs is not None:
        wanted = wanted.where(audit_events.c.chat_ref.in_(chat_refs))
    if through is not None:
        wanted = wanted.where(seq <= through)
    if job_id is not None:
        wanted = wanted.where(audit_events.c.job_id == job_id)
    return fetch(session, wanted)


def _text(detail: Mapping[str, object]) -> str:
    return json.dumps(detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
