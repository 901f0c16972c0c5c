"""Erase: chats that somebody named get a job each, past every rule, but through the gate like any other.

What keeps a chat from every policy keeps it here too: a hold, a keep-policy. Then nothing is stored of the request. A
chat that had left before is only emptied, which needs nobody's leave but those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from chat_hygiene.core.errors import SafetyStopError, UnreadablePolicyError
from chat_hygiene.core.events import Event
from chat_hygiene.core.reasons import Reason
from chat_hygiene.core.states import EFFECTIVE_STATES, JobEvent, JobState
from chat_hygiene.pipeline import concluding, rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.evaluation import Report
from chat_hygiene.store import audit, chats, erasures, holds, moves, policies, runs
from chat_hygiene.store.erasures import Holder
from chat_hygiene.store.policies import ON_REQUEST, StoredPolicy
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.records import Record
from chat_hygiene.store.tables import chats as chat_rows
from chat_policies import Funnel, UnknownDeviceError


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps one chat from being erased, in words, and what to do about it."""

    chat: Record
    words: str
    fix: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One chat of a request.

    Attributes:
        job_id: the job that deletes it, or that did; None only if that one is past its retention.
        before: it had left already, and is emptied now, or was.
        again: somebody asked already: that request still stands, or was carried out.
    """

    chat: Record
    job_id: int | None
    before: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What became of a request. `run_id` is None when all of it was asked for before: then nothing is stored."""

    run_id: int | None
    chats: tuple[Asked, ...]


def obstacles(context: Context, session: Session, rows: Sequence[Record], *, now: datetime) -> list[Obstacle]:
    """What keeps these chats, as `store.chats.find` gives them; empty: nothing that is known."""
    found = []
    for row in rows:
        found += [*_held(session, row, now), *_kept(context, session, row, now), *_busy(session, row)]
    return found


def run(context: Context, refs: Sequence[str], *, because: str, ticket: str, now: datetime) -> Request:
    """Stores a request for the chats of these pseudonyms: all of it or nothing.

    Raises SafetyStopError, with a line per obstacle, when one of them has to stay or is in other hands right now.
    """
    with context.sessions.begin() as session:
        policy_id = erasures.policy_row(session, now=now, actor=context.actor)
        stored = policies.load_by_id(session, policy_id)
        rows = chats.find(session, refs)
        erasures.lock(session, [row["id"] for row in rows])
        if found := obstacles(context, session, rows, now=now):
            raise refusal(found)
        holders = {row["id"]: erasures.holder(session, row) for row in rows}
        again = [each for row in rows if (each := _again(row, holders[row["id"]])) is not None]
        wanted = [row for row in rows if row["id"] not in {each.chat["id"] for each in again}]
        if not wanted:
            return Request(None, tuple(again))
        run_id = runs.start(
            session,
            policy_id,
            stored.version,
            mode=ON_REQUEST.mode,
            trigger="manual",
            slot=erasures.slot(session, policy_id, now=now),
            now=now,
            by=context.actor,
        )
        request = _Request(context, session, stored, run_id, because, ticket, now)
        asked = [request.take(row, holders[row["id"]]) for row in wanted]
        request.close(asked)
    return Request(run_id, (*asked, *again))


class _Request:
    """What is the same for each chat of one request."""

    def __init__(
        self,
        context: Context,
        session: Session,
        stored: StoredPolicy,
        run_id: int,
        because: str,
        ticket: str,
        now: datetime,
    ) -> None:
        self._context, self._session, self._stored, self._run_id = context, session, stored, run_id
        self._because, self._ticket, self._now = because, ticket, now

    def take(self, row: Record, holder: Holder | None) -> Asked:
        """Its job, or of a chat that had left its end."""
        if row["removed_at"] is not None:
            job_id = None if holder is None else holder.job_id
            self._tell(row, job_id)
            self._empty(row, job_id)
            return Asked(row, job_id, before=True)
        if holder is not None:
            self._cancel(holder)
        job_id = erasures.queue(
            self._session,
            row,
            run_id=self._run_id,
            policy_id=self._stored.id,
            version=self._stored.version,
            now=self._now,
        )
        if job_id is None:
            raise refusal([_taken(row, "another job was queued for it just now")])
        self._tell(row, job_id)
        return Asked(row, job_id)

    def close(self, asked: Sequence[Asked]) -> None:
        """Ends the run: what it had to queue is queued."""
        queued = sum(not each.before for each in asked)
        report = Report(
            run_id=self._run_id,
            policy=ON_REQUEST.name,
            mode=ON_REQUEST.mode,
            state="done",
            reason=(Reason.QUEUED if queued else Reason.GONE_BEFORE).value,
            funnel=Funnel(len(asked), queued, queued, 0, 0, ()),
            queued=queued,
            notes=(f"ticket {self._ticket}",),
        )
        concluding.close(self._context, self._session, self._stored, report, now=self._now)

    def _tell(self, row: Record, job_id: int | None) -> None:
        audit.append(
            self._session,
            Event.ERASURE_REQUESTED,
            at=self._now,
            actor=self._context.actor,
            policy=ON_REQUEST.name,
            policy_version=self._stored.version,
            run_id=self._run_id,
            job_id=job_id,
            device=row["device"],
            chat_ref=row["chat_ref"],
            detail={"because": self._because, "ticket": self._ticket},
        )

    def _empty(self, row: Record, job_id: int | None) -> None:
        erasures.done(
            self._session,
            row["id"],
            device=row["device"],
            chat_ref=row["chat_ref"],
            proof=job_id,
            run_id=self._run_id,
            version=self._stored.version,
            now=self._now,
            actor=self._context.actor,
        )

    def _cancel(self, holder: Holder) -> None:
        detail = {"clause": "erasure"}
        moves.move(
            self._session,
            holder.job_id,
            JobEvent.CANCEL,
            now=self._now,
            actor=self._context.actor,
            detail=detail,
        )


def refusal(found: Sequence[Obstacle]) -> SafetyStopError:
    """The error that names all of them."""
    lines = [
        f"{each.chat['chat_hint']} on {mask_numbers(each.chat['alias'] or each.chat['device'])}: {each.words}"
        for each in found
    ]
    fixes = dict.fromkeys(each.fix for each in found)
    return SafetyStopError("\n".join(lines), fix=f"nothing was changed; {'; '.join(fixes)}")


def _held(session: Session, row: Record, now: datetime) -> list[Obstacle]:
    standing = holds.listing(session, now=now, chat_id=row["id"], ended=False)
    if not standing:
        return []
    names = " and ".join(f"hold {hold['id']}" for hold in standing)
    return [
        Obstacle(
            row,
            f"it is under {names}, and a hold beats every deletion",
            f"chat-hygiene hold release {' '.join(str(hold['id']) for hold in standing)} --reason TEXT lifts that,"
            " if the matter is closed",
        )
    ]


def _kept(context: Context, session: Session, row: Record, now: datetime) -> list[Obstacle]:
    try:
        compiled = rules.clauses(session, ON_REQUEST, context.settings, now=now)
    except UnknownDeviceError as error:
        fix = "correct that policy with chat-hygiene policy apply, or run chat-hygiene sync"
        return [Obstacle(row, f"a keep-policy cannot be asked: {error}", fix)]
    except UnreadablePolicyError as error:
        return [Obstacle(row, str(error), error.fix)]
    query = compiled.explain(chat_rows).where(chat_rows.c.id == row["id"])
    verdicts = compiled.read_explain(session.execute(query).one())
    # What is not known now is asked again at the gate, of what is read then.
    return [
        Obstacle(
            row,
            f"it is {each.clause.words}",
            "a keep-policy beats every deletion: take the chat out of its rule or change it, then chat-hygiene sync",
        )
        for each in verdicts
        if each.clause.name.startswith("keep.") and each.value is True
    ]


def _busy(session: Session, row: Record) -> list[Obstacle]:
    holder = erasures.holder(session, row)
    if holder is None or holder.state in EFFECTIVE_STATES or _asked(holder):
        return []
    if holder.state is JobState.QUARANTINED:
        fix = f"chat-hygiene jobs show {holder.job_id} tells why, jobs retry {holder.job_id} tries again"
        return [Obstacle(row, f"job {holder.job_id} has it, in quarantine", fix)]
    if holder.state is JobState.QUEUED and not holder.call_out:
        return []
    return [_taken(row, f"job {holder.job_id} of {holder.policy} is deleting it just now")]


def _taken(row: Record, words: str) -> Obstacle:
    return Obstacle(row, words, "ask again in a moment")


def _again(row: Record, holder: Holder | None) -> Asked | None:
    if row["removed_at"] is not None and row["chat_hint"] == erasures.ERASED:
        return Asked(row, None if holder is None else holder.job_id, before=True, again=True)
    return Asked(row, holder.job_id, again=True) if holder is not None and _asked(holder) else None


def _asked(holder: Holder) -> bool:
    """Whether somebody asked for it by name, and it is on its way."""
    over = holder.state in EFFECTIVE_STATES or holder.state is JobState.QUARANTINED
    return holder.policy == ON_REQUEST.name and not over
