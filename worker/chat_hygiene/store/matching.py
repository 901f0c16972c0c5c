"""The chats that a policy matches, each with the job that it has already."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from chat_hygiene.core.states import HOLDING_STATES
from chat_hygiene.store import holds
from chat_hygiene.store.records import Record, fetch
from chat_hygiene.store.tables import chats, devices, jobs, policies


def rows(
    session: Session, matches: ColumnElement[bool], *, free: ColumnElement[bool], now: datetime
) -> list[Record]:
    """Chats that satisfy `matches`, those silent for longest first, with the open job of each, whosesoever it is.

    `free` is whether the policy may queue the chat, `lately_held` whether a hold on it ended lately. Without an open job
    `job_policy`, `job_state` and `not_before` are None.
    """
    # An alias: `free` looks into the jobs too.
    open_job = jobs.alias()
    same_life = and_(
        open_job.c.chat_id == chats.c.id,
        open_job.c.generation == chats.c.generation,
        open_job.c.state.in_([state.value for state in HOLDING_STATES]),
    )
    chat = (chats.c.device_id, chats.c.generation, chats.c.chat_ref, chats.c.chat_hint, chats.c.name)
    query = (
        select(
            *chat,
            chats.c.last_message_at,
            devices.c.device,
            devices.c.alias,
            free.label("free"),
            holds.lately_ended(chats, now=now).label("lately_held"),
            policies.c.name.label("job_policy"),
            open_job.c.state.label("job_state"),
            open_job.c.not_before,
        )
        .join(devices, devices.c.id == chats.c.device_id)
        .outerjoin(open_job, same_life)
        .outerjoin(policies, policies.c.id == open_job.c.policy_id)
        .where(matches)
        .order_by(chats.c.last_message_at, chats.c.id)
    )
    return fetch(session, query)
