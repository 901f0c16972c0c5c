"""The judge of every scenario: what SQL says happened, held against what the API's own server saw.

It reads the tables by plain SQL and the server's log, evaluates the policy in plain Python (`support.inbox.goes`) on the
record that the server's last answer about a chat held, and lists every broken promise as a sentence.
"""

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from support import inbox
from support.outside import Call, Outside

Chat = tuple[str, str]
"""Device and chat id."""

OPEN = ("queued", "leased", "sent")
EFFECTIVE = ("deleted", "already_gone", "removed_locally")
OUTCOMES = tuple(f"job.{state}" for state in EFFECTIVE)
BY_HOLDER = (*OUTCOMES, "job.intent", "job.withdrawn", "job.retry", "job.failed")
ENDS_LEASE = (*OUTCOMES, "job.withdrawn", "job.retry", "job.failed", "job.released", "job.lost", "job.quarantined", "job.cancelled")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold on one chat, in force from `at` on."""

    chat_ref: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Edit:
    """A version of the policy that was stored by `at`: what it asks of a resolved chat."""

    version: int
    at: datetime
    resolved_for: timedelta


@dataclass
class Verdict:
    """Every broken promise, by kind. A job may be named in several."""

    lost: list[str] = field(default_factory=list)
    """Jobs that did not end, and chats that should have gone and are still there."""
    double: list[str] = field(default_factory=list)
    """More than one outcome, or more than one effect, in one chat life."""
    bad: list[str] = field(default_factory=list)
    """A DELETE that its last read, the policy, a hold or the protocol did not allow."""
    leases: list[str] = field(default_factory=list)
    """Two workers that both moved a job as its holder."""
    untrue: list[str] = field(default_factory=list)
    """The ledger says something else than the server saw; debt and rollup included."""

    def sentences(self) -> list[str]:
        """All of it, at most five a kind."""
        kinds = {"lost": self.lost, "double": self.double, "bad": self.bad, "leases": self.leases, "untrue": self.untrue}  # fmt: skip
        return [f"{kind}: {words}" for kind, found in kinds.items() for words in found[:5]]


def check(
    connection: Connection,
    world: Outside,
    ref: Callable[[str, str], str],
    *,
    edits: Sequence[Edit],
    holds: Sequence[Hold] = (),
) -> Verdict:
    """Judges the end of a scenario, once the faults are over and the work should be done.

    `ref` gives a chat's pseudonym; `edits` are the versions of the one deleting policy, oldest first.
    """
    verdict = Verdict()
    jobs = [dict(row) for row in connection.execute(text("select * from jobs order by id")).mappings()]
    events = [
        dict(row) for row in connection.execute(text("select * from audit_events order by seq")).mappings()
    ]
    by_job: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        if event["job_id"] is not None:
            by_job[event["job_id"]].append(event)
    by_ref: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for job in jobs:
        by_ref[job["chat_ref"]].append(job)
    calls: dict[Chat, list[Call]] = defaultdict(list)
    for call in list(world.calls):
        if call.wid is not None:
            calls[call.device, call.wid].append(call)
    refs = {chat: ref(*chat) for device in world.chats for chat in ((device, wid) for wid in world.chats[device])}  # fmt: skip
    intents = _intents(events)
    held = {hold.chat_ref: hold.at for hold in reversed(holds)}

    for chat, seen in calls.items():
        verdict.bad += _not_allowed(chat, seen, intents.get(refs[chat], []), edits, held.get(refs[chat]))
        acted = [call for call in seen if call.acted]
        if len(acted) > 1:
            verdict.double.append(f"{chat[1]} was deleted {len(acted)} times")
        verdict.untrue += _untrue(chat, acted, by_ref.get(refs[chat], []))
    for job in jobs:
        history = by_job[job["id"]]
        verdict.leases += _two_holders(job, history)
        outcomes = [event["kind"] for event in history if event["kind"] in OUTCOMES]
        if len(outcomes) > 1:
            verdict.double.append(f"job {job['id']} has {len(outcomes)} outcomes: {', '.join(outcomes)}")
        if job["state"] in (*OPEN, "failed", "quarantined"):
            verdict.lost.append(f"job {job['id']} is {job['state']} ({job['error_class']})")
        if bool(outcomes) != (job["state"] in EFFECTIVE):
            verdict.untrue.append(f"job {job['id']} is {job['state']}, its audit says {outcomes}")
    lives = Counter((job["chat_id"], job["generation"]) for job in jobs if job["state"] in EFFECTIVE)
    verdict.double += [
        f"chat {chat}: {n} outcomes in life {life}" for (chat, life), n in lives.items() if n > 1
    ]
    now = datetime.now(UTC)
    for (device, wid), name in refs.items():
        record = world.chats[device][wid]
        if name not in held and inbox.goes(record, now, resolved_for=edits[-1].resolved_for):
            verdict.lost.append(f"{wid} should have gone and is still there")
    verdict.untrue += _rollup(connection, jobs)
    return verdict


def _instant(value: object) -> datetime:
    """An instant as SQLite (text) or PostgreSQL gives it."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(found, datetime)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _intents(events: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[datetime, int]]]:
    """By pseudonym: when an intent was stored and under which version, oldest first."""
    found: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for event in events:
        if event["kind"] == "job.intent":
            found[event["chat_ref"]].append((_instant(event["at"]), event["policy_version"]))
    return {name: sorted(each) for name, each in found.items()}


def _not_allowed(
    chat: Chat,
    seen: Sequence[Call],
    intents: Sequence[tuple[datetime, int]],
    edits: Sequence[Edit],
    held_at: datetime | None,
) -> list[str]:
    """What is wrong with the DELETE calls of one chat."""
    wrong = []
    reads = sorted((call.answered_at, call) for call in seen if call.method == "GET" and call.answered_at)
    rules = {edit.version: edit for edit in edits}
    before: float | None = None
    for number, call in enumerate((each for each in seen if each.method == "DELETE"), 1):
        name = f"DELETE {number} of {chat[1]}"
        last = bisect_right([at for at, _ in reads], call.at) - 1
        read = reads[last] if last >= 0 else None
        if read is None or (before is not None and read[0] < before):
            wrong.append(f"{name} was sent without a read since the one before")
            before = call.at
            continue
        before = call.at
        stored = [(at, version) for at, version in intents if at.timestamp() <= call.at]
        if len(stored) < number:
            wrong.append(f"{name} was sent, and {len(stored)} intents were stored")
            continue
        at, version = stored[-1]
        record = json.loads(read[1].answer) if read[1].status == 200 else {}
        sent_at = datetime.fromtimestamp(call.at, UTC)
        if not inbox.goes(record, sent_at, resolved_for=rules[version].resolved_for):
            wrong.append(f"{name} was not allowed by what was read: {read[1].status} {record.get('status')}")
        current = [edit.version for edit in edits if edit.at < at]
        if current and version < current[-1]:
            wrong.append(f"{name} went by version {version}, and {current[-1]} was stored")
        if held_at is not None and held_at < at:
            wrong.append(f"{name} was sent under a hold")
    return wrong


def _untrue(chat: Chat, acted: Sequence[Call], jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where the ledger and the server differ about one chat."""
    ended = [job for job in jobs if job["state"] in EFFECTIVE]
    if acted and not ended:
        return [f"{chat[1]} was deleted, and no job says so"]
    wrong = []
    for job in ended:
        flags = acted[0].body if acted and isinstance(acted[0].body, dict) else {}
        name = f"job {job['id']} of {chat[1]} is {job['state']}"
        if job["state"] == "already_gone" and acted:
            wrong.append(f"{name}, but it was our own DELETE")
        if job["state"] != "already_gone" and not acted:
            wrong.append(f"{name}, but no DELETE of ours had an effect")
        if (job["state"] == "removed_locally") != bool(flags.get("force")):
            wrong.append(f"{name}, and the call that acted was {flags}")
        if (job["state"] == "removed_locally") != (job["debt_state"] is not None):
            wrong.append(f"{name}, and its debt is {job['debt_state']}")
        if job["debt_state"] == "settled":
            wrong.append(f"{name}, and its debt is settled, though WhatsApp never let go of it")
    return wrong


def _two_holders(job: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where the audit shows a move by somebody whose lease was not the last one."""
    wrong, holder = [], None
    for event in history:
        kind, actor = event["kind"], event["actor"]
        if kind == "job.claimed":
            if holder is not None:
                wrong.append(f"job {job['id']} was claimed by {actor} while {holder} held it")
            holder = actor
        elif actor != holder and (kind in BY_HOLDER or (kind == "job.released" and not _reconciled(event))):
            wrong.append(f"job {job['id']}: {kind} by {actor}, and {holder} held the lease")
        if kind in ENDS_LEASE:
            holder = None
    return wrong


def _reconciled(event: Mapping[str, Any]) -> bool:
    """Whether a lease was taken back because it was over."""
    detail = event["detail"]
    return (json.loads(detail) if isinstance(detail, str) else detail or {}).get("reason") == "lease over"


def _rollup(connection: Connection, jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    counted = connection.execute(
        text("select sum(deleted), sum(already_gone), sum(removed_locally) from daily_counts")
    ).one()
    states = Counter(job["state"] for job in jobs)
    found = dict(zip(EFFECTIVE, (int(each or 0) for each in counted), strict=True))
    return [
        f"the rollup counts {found[state]} {state}, and there are {states[state]}"
        for state in EFFECTIVE
        if found[state] != states[state]
    ]
