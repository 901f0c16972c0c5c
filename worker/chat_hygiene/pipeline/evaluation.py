"""A run under evaluation: one policy's clauses over the stored chats at one instant, and the report that comes of it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import Session

from chat_hygiene.core.reasons import Reason
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import brakes, rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.store import candidates, moves, withheld
from chat_hygiene.store.policies import StoredPolicy
from chat_policies import Clause, Compiled, Funnel

EMPTY = Funnel(seen=0, in_scope=0, matched=0, held=0, kept=0, clauses=())
SAFETY_REASONS = frozenset(
    {Reason.STALE, Reason.BRAKE, Reason.CANARY, Reason.STOPPED, Reason.PAUSED, Reason.UNKNOWN_DEVICE}
)
FRESH = "fresh"
"""The clause that a chat on a number with stale data fails."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A listed chat that may not go any more, and the first clause that keeps it; `words` are what it does not meet."""

    chat_ref: str
    chat_hint: str
    clause: str
    words: str


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of a policy did, and why.

    Attributes:
        deferred: match, and wait for a later run: for fresher data, or for the canary.
        duplicates: match, and have their job already or had it within a week.
        cancelled: were queued before and match no longer.
        dropped: of a plan or an approval, those that may not go any more.
        canary: it queued only the first few of a version, or all of them where there were no more.
        expires_at: until when it can be approved.
    """

    run_id: int
    policy: str
    mode: str
    state: str
    reason: str
    funnel: Funnel = EMPTY
    deferred: int = 0
    duplicates: int = 0
    queued: int = 0
    cancelled: int = 0
    trips: tuple[brakes.Trip, ...] = ()
    notes: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    canary: bool = False
    expires_at: datetime | None = None

    @property
    def safety_stop(self) -> bool:
        """Whether something kept the run from what the policy says."""
        return self.state == "failed" or (
            self.mode == "enforce" and (self.deferred > 0 or self.reason in SAFETY_REASONS)
        )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One policy at one instant: what every way of concluding its run works with. Its policy is locked."""

    context: Context
    session: Session
    stored: StoredPolicy
    run_id: int
    compiled: Compiled
    now: datetime

    @property
    def job(self) -> Clause:
        """True for a chat that may get a job."""
        free = candidates.free(self.stored.id, self.stored.version, now=self.now)
        return Clause("job", "not queued, deleted or failed already", free, wanted=True, facts=())

    @property
    def matches(self) -> ColumnElement[bool]:
        """True for a chat that the policy matches and that may get a job."""
        return and_(self.compiled.matches(), self.job.holds())

    @property
    def fresh(self) -> Clause:
        """True for a chat on a number whose data is fresh enough to delete by."""
        return rules.fresh(self.session, self.context.settings, self.stored.policy, now=self.now)

    def report(self, state: str, reason: Reason) -> Report:
        """The beginning of a report."""
        return Report(self.run_id, self.stored.policy.name, mode(self.stored), state, reason.value)

    def cancel_stopped(self) -> int:
        """Takes the policy's jobs that stopped matching off the list; all of them when it does not enforce."""
        gone = candidates.stopped_matching(self.session, self.stored.id, self.compiled.clauses, now=self.now)
        if not self.stored.enforces:
            gone = candidates.open_jobs(self.session, self.stored.id)
        now, actor = self.now, self.context.actor
        for job_id, clause in gone:
            moves.move(self.session, job_id, JobEvent.CANCEL, now=now, actor=actor, detail={"clause": clause})
        return len(gone)

    def withhold(self, condition: ColumnElement[bool], *, by: ColumnElement[str]) -> dict[str, int]:
        """Puts down each chat that satisfies it, withheld `by`; returns how many by each."""
        return withheld.withhold(
            self.session,
            condition,
            run_id=self.run_id,
            policy_id=self.stored.id,
            by=by,
            grace=self.stored.policy.grace,
            now=self.now,
        )

    def queue(self, condition: ColumnElement[bool], *, per_day: int | None = None) -> int:
        """A job for each chat that satisfies it, withheld no longer; returns how many."""
        queued = candidates.queue(
            self.session,
            condition,
            run_id=self.run_id,
            policy_id=self.stored.id,
            version=self.stored.version,
            reason=self.stored.policy.words(),
            grace=self.stored.policy.grace,
            now=self.now,
            per_day=per_day,
        )
        withheld.forget_queued(self.session, self.stored.id, self.run_id)
        return queued


def mode(stored: StoredPolicy) -> str:
    """As a run's row says it."""
    return "enforce" if stored.enforces else "observe"
