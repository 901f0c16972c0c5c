"""The candidates that a run put down: what matches without being queued and since when, and what stands in a plan.

At most one row of a policy withholds a chat's life: each run that concludes puts down anew what it withholds, and what
stood there before goes. So whatever should be gone and is not, is seen together with since when.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
    values,
)
from sqlalchemy.orm import Session

from chat_hygiene.core.states import OPEN_STATES
from chat_hygiene.store import lists
from chat_hygiene.store.tables import chats, devices, jobs, policy_runs, run_candidates
from chat_hygiene.store.types import Instant
from chat_policies import Clause

BRAKE, STALE, STOPPED = "brake", "stale", "stopped"
OLDEST_FIRST = (chats.c.last_message_at.nulls_last(), chats.c.id)
"""Those silent for longest first, wherever only some of several go, or some go before others."""

_SAME_LIFE = and_(run_candidates.c.chat_id == chats.c.id, run_candidates.c.generation == chats.c.generation)
_AT_ONCE = 500


class Listed(Protocol):
    """One life of a chat, as a plan names it; `device` is the provider's id of its number."""

    @property
    def chat_ref(self) -> str: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102
    @property
    def generation(self) -> int: ...  # noqa: D102


def days_later(name: str, base: datetime, days: int) -> CTE:
    """A table (`key`, `at`) of that instant and so many days after it."""
    return _lookup(name, Integer(), {day: base + timedelta(days=day) for day in range(days + 1)})


def _lookup(name: str, key: Any, instants: Mapping[Any, datetime]) -> CTE:  # noqa: ANN401 - a column's type and its values
    # The engines spell arithmetic with instants differently, so that it is done beforehand.
    return (
        values(column("key", key), column("at", Instant()), name=name).data(list(instants.items())).cte(name)
    )


def withhold(
    session: Session,
    condition: ColumnElement[bool],
    *,
    run_id: int,
    policy_id: int,
    by: ColumnElement[str],
    grace: timedelta,
    now: datetime,
) -> dict[str, int]:
    """Puts down each chat that satisfies `condition`, withheld `by`; returns how many by each.

    One that the policy withheld before goes on from then: its grace is over when it would have been.
    """
    before = (
        select(
            run_candidates.c.chat_id,
            run_candidates.c.generation,
            func.min(run_candidates.c.matched_at).label("matched_at"),
        )
        .where(_withheld_in(policy_id, but=run_id))
        .group_by(run_candidates.c.chat_id, run_candidates.c.generation)
        .subquery("before")
    )
    since = {now, *session.execute(select(before.c.matched_at).distinct()).scalars()}
    ends = _lookup("ends", Instant(), {at: at + grace for at in since})
    at = func.coalesce(before.c.matched_at, literal(now, Instant()))
    rows = (
        select(literal(run_id), chats.c.id, chats.c.generation, at, ends.c.at, by)
        .select_from(chats)
        .outerjoin(before, and_(before.c.chat_id == chats.c.id, before.c.generation == chats.c.generation))
        .join(ends, ends.c.key == at)
        .where(condition)
        .order_by(chats.c.id)
    )
    columns = ["run_id", "chat_id", "generation", "matched_at", "not_before", "withheld_by"]
    session.execute(insert(run_candidates).from_select(columns, rows))
    query = select(run_candidates.c.withheld_by, func.count()).where(run_candidates.c.run_id == run_id)
    return dict(session.execute(query.group_by(run_candidates.c.withheld_by)).all())


def list_plan(
    session: Session, run_id: int, listed: Sequence[Listed], *, grace: timedelta, now: datetime
) -> list[str]:
    """Puts down what a plan lists; returns the pseudonyms of those chats that are not stored."""
    by_device: dict[str, dict[str, int]] = defaultdict(dict)
    for each in listed:
        by_device[each.device][each.chat_ref] = each.generation
    unknown = []
    for device, generations in sorted(by_device.items()):
        refs = sorted(generations)
        for start in range(0, len(refs), _AT_ONCE):
            some = refs[start : start + _AT_ONCE]
            query = select(chats.c.id, chats.c.chat_ref).join(devices, devices.c.id == chats.c.device_id)
            found = session.execute(
                query.where(devices.c.device == device, chats.c.chat_ref.in_(some)).order_by(chats.c.id)
            ).all()
            shared = {"run_id": run_id, "matched_at": now, "not_before": now + grace}
            rows = [shared | {"chat_id": row.id, "generation": generations[row.chat_ref]} for row in found]
            if rows:
                session.execute(insert(run_candidates), rows)
            unknown += sorted(set(some) - {row.chat_ref for row in found})
    return unknown


def among(run_id: int, *, by: str | None) -> ColumnElement[bool]:
    """Chats in the life in which that run put them down: withheld `by`, or, with None, listed in its plan."""
    lives = select(run_candidates.c.chat_id, run_candidates.c.generation).where(
        run_candidates.c.run_id == run_id, run_candidates.c.withheld_by.is_not_distinct_from(by)
    )
    # As a list and not one by one: SQLite would ask it of every chat.
    return tuple_(chats.c.id, chats.c.generation).in_(lives)


def queued(run_id: int) -> ColumnElement[bool]:
    """Chats whose life the policy of that run has in its queue, whichever of its runs queued it."""
    policy_id = select(policy_runs.c.policy_id).where(policy_runs.c.id == run_id).scalar_subquery()
    return exists().where(
        jobs.c.chat_id == chats.c.id,
        jobs.c.generation == chats.c.generation,
        jobs.c.state.in_([state.value for state in OPEN_STATES]),
        jobs.c.policy_id == policy_id,
    )


def oldest(run_id: int, most: int) -> ColumnElement[bool]:
    """The first few of those that a brake withholds in that run."""
    few = (
        select(chats.c.id)
        .join(run_candidates, _SAME_LIFE)
        .where(run_candidates.c.run_id == run_id, run_candidates.c.withheld_by == BRAKE)
        .order_by(*OLDEST_FIRST)
        .limit(most)
    )
    return chats.c.id.in_(few)


def count(session: Session, run_id: int, *, by: str) -> int:
    """How many are withheld `by` in a run."""
    return session.execute(select(func.count()).select_from(_of_run(run_id, by).subquery())).scalar_one()


def digest(session: Session, run_id: int, *, by: str) -> str:
    """Of those withheld `by` in a run."""
    return lists.digest_of(session, _of_run(run_id, by))


def _of_run(run_id: int, by: str) -> Select[str, int]:
    return (
        select(chats.c.chat_ref, run_candidates.c.generation)
        .join(chats, chats.c.id == run_candidates.c.chat_id)
        .where(run_candidates.c.run_id == run_id, run_candidates.c.withheld_by == by)
    )


def kept(
    session: Session, run_id: int, clauses: Sequence[Clause], *, by: str | None
) -> list[tuple[str, str, str | None]]:
    """(chat_ref, hint, first clause that fails) of those candidates that its policy has not in its queue, oldest first.

    No clause: all of them hold by now.
    """
    came_back = run_candidates.c.generation != chats.c.generation
    fails = [(came_back, literal(GENERATION)), *((~each.holds(), literal(each.name)) for each in clauses)]
    in_queue = and_(_SAME_LIFE, queued(run_id))
    query = (
        select(chats.c.chat_ref, chats.c.chat_hint, case(*fails, else_=None))
        .join(chats, chats.c.id == run_candidates.c.chat_id)
        .where(
            run_candidates.c.run_id == run_id,
            run_candidates.c.withheld_by.is_not_distinct_from(by),
            ~in_queue,
        )
        .order_by(*OLDEST_FIRST)
    )
    return list(session.execute(query))


GENERATION = "generation"
"""What a chat fails that left, or left and came back as another conversation, since it was listed."""


def mark_stale(session: Session, run_id: int, condition: ColumnElement[bool]) -> None:
    """Of those that a brake withholds in a run, the ones that satisfy `condition` wait for fresh data instead."""
    these = select(chats.c.id).where(condition, among(run_id, by=BRAKE))
    session.execute(
        update(run_candidates)
        .where(run_candidates.c.run_id == run_id, run_candidates.c.chat_id.in_(these))
        .values(withheld_by=STALE)
    )


def let_go(session: Session, run_id: int, *, by: str) -> None:
    """Nothing is withheld `by` in this run any more."""
    session.execute(
        delete(run_candidates).where(run_candidates.c.run_id == run_id, run_candidates.c.withheld_by == by)
    )


def forget(session: Session, policy_id: int, *, but: int | None = None) -> None:
    """Nothing is withheld of this policy, except what the run `but` put down."""
    session.execute(delete(run_candidates).where(_withheld_in(policy_id, but=but)))


def forget_queued(session: Session, policy_id: int, run_id: int) -> None:
    """What this run of the policy queued is no longer withheld, by whichever run of it."""
    queued = exists().where(jobs.c.run_id == run_id, jobs.c.chat_id == run_candidates.c.chat_id)
    session.execute(delete(run_candidates).where(_withheld_in(policy_id, but=None), queued))


def _withheld_in(policy_id: int, *, but: int | None) -> ColumnElement[bool]:
    mine = select(policy_runs.c.id).where(policy_runs.c.policy_id == policy_id)
    if but is not None:
        mine = mine.where(policy_runs.c.id != but)
    return and_(run_candidates.c.withheld_by.is_not(None), run_candidates.c.run_id.in_(mine))
