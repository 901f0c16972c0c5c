"""What a run wants to queue on each number, and what that is judged against: what went before on that day, and the population."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, literal, or_, select
from sqlalchemy.orm import Session

from chat_hygiene.core.states import EFFECTIVE_STATES, JobState
from chat_hygiene.store.tables import chats, devices, jobs, policy_runs
from chat_hygiene.store.types import Instant


@dataclass(frozen=True, slots=True)
class Load:
    """What a run wants to queue on one device, by its alias if it has one.

    Attributes:
        population: what is in the policy's scope there and what the policy removed today, so that a day's own work does not
            shrink the base of its share; counted as far as it matters.
        today: what earlier runs of the policy queued that day. Runs that somebody approved and cancelled jobs do not count.
    """

    device_id: int
    device: str
    population: int
    today: int
    wanted: int


def loads(
    session: Session,
    wanted: Mapping[int, int],
    in_scope: ColumnElement[bool],
    *,
    policy_id: int,
    day_start: datetime,
    enough: Callable[[int], int | None],
) -> list[Load]:
    """One per device that a run wants to queue on (row id to how many).

    `enough` says of so many queued chats by how large a population they are let go, which is counted no further then; None:
    by none.
    """
    effective = jobs.c.state.in_([state.value for state in EFFECTIVE_STATES])
    start = literal(day_start, Instant())
    earlier = {
        row.device_id: row
        for row in session.execute(
            select(
                jobs.c.device_id,
                func.count().label("today"),
                func.sum(case((effective, 1), else_=0)).label("removed"),
            )
            .join(policy_runs, policy_runs.c.id == jobs.c.run_id)
            .where(
                policy_runs.c.policy_id == policy_id,
                # What a run queued, it queued before it ended.
                or_(policy_runs.c.finished_at.is_(None), policy_runs.c.finished_at >= start),
                policy_runs.c.approved_by.is_(None),
                # The one that asks; of a policy one run at a time is evaluated.
                policy_runs.c.state != "evaluating",
                jobs.c.queued_at >= start,
                jobs.c.state != JobState.CANCELLED.value,
            )
            .group_by(jobs.c.device_id)
        )
    }
    names = {
        row.id: row.alias or row.device
        for row in session.execute(select(devices.c.id, devices.c.alias, devices.c.device))
    }
    found = []
    for device_id, number in sorted(wanted.items()):
        today, removed = (row.today, row.removed) if (row := earlier.get(device_id)) is not None else (0, 0)
        most = enough(today + number)
        here = select(chats.c.device_id).where(in_scope, chats.c.device_id == device_id)
        if most is not None:
            here = here.limit(max(0, most - removed))
        there = session.execute(select(func.count()).select_from(here.subquery())).scalar_one()
        found.append(
            Load(
                device_id=device_id,
                device=names[device_id],
                population=there + removed,
                today=today,
                wanted=number,
            )
        )
    return found
