"""The digest: its row, so that each is told once, and what it tells, counted in SQL.

The row stands among the incidents. `opened_at` is the instant that the newest digest is of, `detail.since` where the time
begins that it tells of.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.core.debts import DebtState
from chat_hygiene.core.incidents import MAX_WAIT, next_try
from chat_hygiene.core.states import EFFECTIVE_STATES, OPEN_STATES, JobState
from chat_hygiene.store import debts, upcoming
from chat_hygiene.store.tables import incidents, jobs, policies
from chat_hygiene.store.upcoming import Late

_KEY = "digest"
_MINE = incidents.c.key == _KEY
_ENDED = (*EFFECTIVE_STATES, JobState.FAILED, JobState.QUARANTINED)


@dataclass(frozen=True, slots=True)
class Slot:
    """The newest digest: of which instant, since when it tells, how often telling it failed; `told`: it is done."""

    at: datetime
    since: datetime
    tries: int
    told: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What a digest tells, without a chat.

    Attributes:
        ended: jobs that ended in its time, by policy and state.
        in_whatsapp: chats removed here and not provably in WhatsApp, whenever that was.
        late: per policy, the chats that should be gone and are not.
        leaving: per policy, the queued chats that may leave until the next digest.
        next_runs: when each active policy runs next; None: it does not.
    """

    ended: Mapping[tuple[str, JobState], int]
    in_whatsapp: int
    late: tuple[Late, ...]
    leaving: Mapping[str, int]
    next_runs: Mapping[str, datetime | None]


def slot(session: Session) -> Slot | None:
    """The newest one, once there is one."""
    row = session.execute(select(incidents).where(_MINE)).one_or_none()
    if row is None:
        return None
    since = row.detail.get("since")
    return Slot(
        at=row.opened_at,
        since=row.opened_at if since is None else datetime.fromisoformat(since),
        tries=row.tries,
        told=row.told_at is not None,
    )


def begin(session: Session, *, now: datetime) -> None:
    """Now nothing is to be told: the first digest tells of the time from now on."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {"key": _KEY, "kind": _KEY, "opened_at": now, "told_at": now, "detail": {}}
    session.execute(dialect.insert(incidents).values(row).on_conflict_do_nothing())


def advance(session: Session, old: Slot, at: datetime) -> None:
    """A newer one is due; it tells of what one that reached nobody would have told, too."""
    since = old.at if old.told else old.since
    session.execute(
        update(incidents)
        .where(_MINE, incidents.c.opened_at == old.at)
        .values(opened_at=at, told_at=None, tries=0, next_try_at=None, detail={"since": since.isoformat()})
    )


def claim(session: Session, *, now: datetime) -> Slot | None:
    """The one to tell now; nobody else does meanwhile, and if that fails it is tried again by itself."""
    found = slot(session)
    if found is None or found.told:
        return None
    free = or_(
        incidents.c.next_try_at.is_(None),
        incidents.c.next_try_at <= now,
        incidents.c.next_try_at > now + MAX_WAIT,
    )
    mine = session.execute(
        update(incidents)
        .where(_MINE, incidents.c.opened_at == found.at, incidents.c.told_at.is_(None), free)
        .values(tries=incidents.c.tries + 1, next_try_at=next_try(found.tries, now=now))
        .returning(incidents.c.key)
    )
    return found if mine.one_or_none() is not None else None


def told(session: Session, at: datetime, *, now: datetime) -> None:
    """Somebody got the one of that instant."""
    session.execute(
        update(incidents)
        .where(_MINE, incidents.c.opened_at == at)
        .values(told_at=now, tries=0, next_try_at=None)
    )


def facts(session: Session, *, since: datetime, at: datetime, now: datetime, until: datetime) -> Facts:
    """What ended after `since` and not after `at`, what stands now, and what comes before `until`."""
    ended = (
        select(policies.c.name, jobs.c.state, func.count())
        .join(policies, policies.c.id == jobs.c.policy_id)
        .where(jobs.c.finished_at > since, jobs.c.finished_at <= at, jobs.c.state.in_([*_ENDED]))
        .group_by(policies.c.name, jobs.c.state)
    )
    leaving = (
        select(policies.c.name, func.count())
        .join(policies, policies.c.id == jobs.c.policy_id)
        .where(
            jobs.c.state.in_([*OPEN_STATES]),
            jobs.c.not_before >= now,
            jobs.c.not_before < until,
            policies.c.state == "active",
        )
        .group_by(policies.c.name)
    )
    coming = select(policies.c.name, policies.c.next_run_at).where(
        policies.c.action == "delete", policies.c.state == "active"
    )
    return Facts(
        ended={(name, JobState(state)): number for name, state, number in session.execute(ended)},
        in_whatsapp=sum(debts.count(session, each) for each in (DebtState.OPEN, DebtState.ABANDONED)),
        late=tuple(upcoming.late(session, now=now)),
        leaving=dict(session.execute(leaving).all()),
        next_runs=dict(session.execute(coming.order_by(policies.c.next_run_at, policies.c.name)).all()),
    )
