"""Coverage: how many chats of each number no policy would ever delete, so that a forgotten number is seen.

Counted after whatever changes it, in a transaction of its own, and kept in the number's row for whoever asks.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import and_, false, func, or_, select, true, update
from sqlalchemy.orm import Session

from chat_hygiene.pipeline import brakes, rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.store import policies
from chat_hygiene.store.devices import Device, load
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import chats, devices
from chat_policies import UnknownDeviceError


def count(context: Context, device_id: int | None = None, *, now: datetime) -> None:
    """Counts the live chats that no active enforcing policy has in its scope, however young, of one number or of all.

    Runs change nothing of it: complete sweeps and changes of policies do. A policy that names a number which the account does not have runs nowhere, and covers nothing.
    """
    with reading(context.sessions) as session:
        mine = true() if device_id is None else devices.c.id == device_id
        stored = dict(session.execute(select(devices.c.id, devices.c.uncovered).where(mine)).all())
        found = _uncovered(context, session, stored, now=now)
    changed = {each: found.get(each, 0) for each in sorted(stored) if stored[each] != found.get(each, 0)}
    if changed:
        with context.sessions.begin() as session:
            for each, number in changed.items():
                session.execute(update(devices).where(devices.c.id == each).values(uncovered=number))


def known(session: Session) -> list[tuple[Device, int]]:
    """The numbers with chats that no policy covers, and how many, as counted last."""
    query = select(devices.c.id, devices.c.uncovered).where(
        devices.c.uncovered > 0, devices.c.status.is_distinct_from("removed")
    )
    counted = dict(session.execute(query).all())
    return [(device, counted[device.id]) for device in load(session, counted)]


def _uncovered(
    context: Context, session: Session, device_ids: Collection[int], *, now: datetime
) -> dict[int, int]:
    covered = []
    for stored in policies.enforcing(session):
        try:
            compiled = rules.clauses(session, stored.policy, context.settings, now=now, keeps=())
        except UnknownDeviceError:
            continue
        covered.append(brakes.population(compiled))
    live = and_(
        chats.c.removed_at.is_(None),
        chats.c.missing_since.is_(None),
        func.coalesce(chats.c.status, "") != "removed",
    )
    query = (
        select(chats.c.device_id, func.count())
        .where(chats.c.device_id.in_(device_ids), live, ~or_(false(), *covered).self_group())
        .group_by(chats.c.device_id)
    )
    return dict(session.execute(query).all())
