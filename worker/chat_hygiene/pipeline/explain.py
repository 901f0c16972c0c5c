"""Explain: why one chat goes, stays, or went, and where it stands. Reads only; the verdicts come from the clauses that decide."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import UnreadablePolicyError
from chat_hygiene.core.states import OPEN_STATES, JobState
from chat_hygiene.core.words import count
from chat_hygiene.pipeline import brakes, judging, preview, rules
from chat_hygiene.pipeline.judging import Ruling
from chat_hygiene.pipeline.rules import Rules
from chat_hygiene.settings import Settings
from chat_hygiene.store import (
    audit,
    candidates,
    chats,
    devices,
    holds,
    jobs,
    matching,
    policies,
    switches,
    upcoming,
)
from chat_hygiene.store.devices import Device
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.records import Record
from chat_hygiene.store.switches import Stop
from chat_hygiene.store.tables import chats as chat_rows
from chat_hygiene.store.upcoming import Place
from chat_policies import Compiled, Look, UnknownDeviceError, Verdict, ripening

_AT_ONCE = 25
"""Policies in one statement: a database limits its columns and its parameters."""
_COUNTED = 1000
"""At least: whoever asks about one chat does not wait until all that its policy matches are counted."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The chat's open job of a policy.

    Attributes:
        leaves_at: when it is worked at the earliest: its grace is over and no retry waits.
        place: where it stands; None: it is being worked right now.
    """

    job_id: int
    matched_at: datetime
    not_before: datetime
    leaves_at: datetime
    place: Place | None


@dataclass(frozen=True, slots=True)
class PolicyVerdict:
    """One policy's clauses for the chat, and what became of them.

    Attributes:
        eligible_at: when it matches if nothing changes; None: not by waiting.
        fresh: the number's data is fresh enough for this policy to delete by.
        given_up: the policy waits no longer for its number, which is offline.
        queued: the policy's open job.
        withheld: what withholds it, since when, and of which run it is a candidate.
        blocked_by: what keeps back what is queued or withheld, as `report_v1_upcoming` says it.
        stays: why the next run would not queue it although it matches, as things stand; None: nothing is in the way.
        grace: what it would get if it were queued now: a day at least where a hold ended lately.
    """

    stored: StoredPolicy
    verdicts: tuple[Verdict, ...]
    matches: bool
    eligible_at: datetime | None
    problem: str | None = None
    fresh: bool = False
    given_up: bool = False
    queued: Queued | None = None
    withheld: Record | None = None
    blocked_by: str | None = None
    stays: str | None = None
    grace: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything known of one chat on one device. `holds` are those in force on it, the newest first."""

    chat: Record
    device: Device
    fresh: bool
    policies: tuple[PolicyVerdict, ...]
    jobs: tuple[Record, ...]
    events: tuple[Record, ...]
    holds: tuple[Record, ...]
    stop: Stop | None


def run(session: Session, refs: Sequence[str], settings: Settings, *, now: datetime) -> list[Report]:
    """One report per stored chat that has one of these pseudonyms."""
    fresh = devices.fresh_ids(session, now=now, freshness=settings.freshness_seconds)
    deleting = [each for each in policies.load(session) if each.policy.action == "delete"]
    stop = switches.stopped(session)
    try:
        asked: Rules | str = Rules(session, settings)
    except UnreadablePolicyError as error:
        asked = str(error)
    reports = []
    for row in chats.find(session, refs):
        (device,) = devices.load(session, [row["device_id"]])
        look = _Look(session, settings, asked, now, device, row, stopped=stop is not None)
        reports.append(
            Report(
                chat=row,
                device=device,
                fresh=device.id in fresh,
                policies=look.verdicts(deleting),
                jobs=look.jobs,
                events=tuple(audit.find(session, chat_refs=[row["chat_ref"]])),
                holds=look.holds,
                stop=stop,
            )
        )
    return reports


class _Look:
    """One chat, and what is asked of it once for all policies."""

    def __init__(
        self,
        session: Session,
        settings: Settings,
        asked: Rules | str,
        now: datetime,
        device: Device,
        row: Record,
        *,
        stopped: bool,
    ) -> None:
        self._session, self._settings, self._asked, self._now = session, settings, asked, now
        self._device, self._row, self._stopped = device, row, stopped
        self.jobs = tuple(jobs.find(session, chat_refs=[row["chat_ref"]]))
        self.holds = tuple(holds.listing(session, now=now, chat_id=row["id"], ended=False))
        self._withheld = upcoming.withheld(session, row["id"])
        self._blocked = upcoming.blocked_by(session, device.device, row["chat_ref"])
        self._this = chat_rows.c.id == row["id"]
        lately_held = select(holds.lately_ended(chat_rows, now=now)).where(self._this)
        self._lately_held: bool = session.execute(lately_held).scalar_one()

    def verdicts(self, wanted: Sequence[StoredPolicy]) -> tuple[PolicyVerdict, ...]:
        """What each policy says of the chat, and what became of it."""
        found: list[PolicyVerdict] = []
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            found += map(self._verdict, some, self._ask(some, self._now))
        return tuple(found)

    def _verdict(self, stored: StoredPolicy, verdicts: tuple[Verdict, ...] | str) -> PolicyVerdict:
        if isinstance(verdicts, str):
            return PolicyVerdict(stored, (), matches=False, eligible_at=None, problem=verdicts)
        matching_now, policy = _all_hold(verdicts), stored.policy
        queued, withheld = self._queued(stored), self._withheld.get(stored.id)
        fresh = rules.is_fresh(self._device, self._settings, policy, now=self._now)
        stays = None
        if matching_now and queued is None:
            stays = preview.stays(self._as_match(stored))
            # Of what is withheld it is known what the last run was told; judging asks every chat of the policy.
            if stays is None and stored.enforces and withheld is None:
                stays = self._next_run(stored) if fresh or self._stopped else None
        return PolicyVerdict(
            stored,
            verdicts,
            matches=matching_now,
            eligible_at=self._now if matching_now else self._eligible_at(stored, verdicts),
            fresh=fresh,
            given_up=rules.given_up(self._device, policy, now=self._now),
            queued=queued,
            withheld=withheld,
            blocked_by=self._blocked.get(policy.name),
            stays=stays,
            grace=max(policy.grace, holds.GRACE_AFTER) if self._lately_held else policy.grace,
        )

    def _ask(self, wanted: Sequence[StoredPolicy], at: datetime) -> list[tuple[Verdict, ...] | str]:
        """Each policy's clauses at an instant, by one statement; or why it cannot be asked."""
        asked, compiled = self._asked, list[Compiled | str]()
        for stored in wanted:
            try:
                compiled.append(asked if isinstance(asked, str) else asked.clauses(stored.policy, now=at))
            except UnknownDeviceError as error:
                compiled.append(str(error))
        look = Look(clause for each in compiled if not isinstance(each, str) for clause in each.clauses)
        found = look.read(self._session.execute(look.select(chat_rows).where(self._this)).one())
        return [
            each if isinstance(each, str) else tuple(found[clause] for clause in each.clauses)
            for each in compiled
        ]

    def _eligible_at(self, stored: StoredPolicy, verdicts: Sequence[Verdict]) -> datetime | None:
        assert not isinstance(self._asked, str)  # noqa: S101 - there are verdicts
        turns = ripening(stored.policy, self._asked.keeps, self._row, self._settings.min_age_seconds)
        turns["hold"] = [hold["until"] for hold in self.holds if hold["until"] is not None]
        coming = {name: [at for at in instants if at > self._now] for name, instants in turns.items()}
        if not all(each.holds or coming.get(each.clause.name) for each in verdicts):
            return None  # what keeps it is not turned by time
        # The same clauses, asked again at each instant at which one of them turns, or a hold ends.
        for at in sorted({at for instants in coming.values() for at in instants}):
            (then,) = self._ask([stored], at)
            if not isinstance(then, str) and _all_hold(then):
                return at
        return None

    def _next_run(self, stored: StoredPolicy) -> str | None:
        """Why a run would not queue this chat that nothing else keeps, if it came now; None: it would."""
        if self._stopped:
            return "all deleting is stopped"
        compiled = rules.clauses(self._session, stored.policy, self._settings, now=self._now)
        fresh = rules.fresh_ids(self._session, self._settings, stored.policy, now=self._now)
        wanted = and_(
            compiled.matches(),
            candidates.free(stored.id, stored.version, now=self._now),
            chat_rows.c.device_id.in_(sorted(fresh)),
        )
        # Where there are more than that, one number at least wants too many.
        counted = max(len(fresh) * stored.policy.limits.max_chats + 1, _COUNTED)
        numbers: dict[int, int] = {}
        if brakes.may_trip(stored.policy, chats.highest(self._session)):
            numbers = candidates.by_device(self._session, wanted, most=counted)
        verdict = judging.run(
            self._session,
            stored.policy,
            compiled,
            numbers,
            self._settings,
            policy_id=stored.id,
            version=stored.version,
            now=self._now,
        )
        match verdict.ruling:
            case Ruling.ALL:
                return None
            case Ruling.FIRST:
                first = candidates.matches(self._session, wanted, limit=verdict.first)
                if self._row["id"] in {row["id"] for row in first}:
                    return None
                alone = f"{count(verdict.first, 'chat')} of this version alone"
                return f"the next run queues {alone}, silent for longest, and the others once that has ended well"
            case Ruling.WAIT:
                return "the first chats of this version go alone, and have not ended yet"
            case _:
                at_least = sum(numbers.values()) == counted
                trips = tuple(replace(trip, at_least=at_least) for trip in verdict.trips)
                return f"the next run awaits an approval: {'; '.join(replace(verdict, trips=trips).words)}"

    def _queued(self, stored: StoredPolicy) -> Queued | None:
        mine = (job for job in self.jobs if job["policy_id"] == stored.id and job["state"] in OPEN_STATES)
        job = next(mine, None)
        if job is None:
            return None
        return Queued(
            job_id=job["id"],
            matched_at=job["matched_at"],
            not_before=job["not_before"],
            leaves_at=max(job["not_before"], job["next_attempt_at"]),
            place=upcoming.place(self._session, job) if job["state"] == JobState.QUEUED else None,
        )

    def _as_match(self, stored: StoredPolicy) -> Record:
        free = candidates.free(stored.id, stored.version, now=self._now)
        (row,) = matching.rows(self._session, self._this, free=free, now=self._now)
        return row


def _all_hold(verdicts: Sequence[Verdict]) -> bool:
    return all(each.holds for each in verdicts)
