"""Certificates: what happened to one chat, signed, with its events as the chain binds them, and no number or name in it.

Whoever has the audit key checks one without the database: the signature covers every byte, and each event's hash can be
computed again from what stands in the certificate. It can show nothing that somebody typed as a reason.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chat_hygiene.core import certificate as words
from chat_hygiene.core import signed
from chat_hygiene.core.debts import PROOFS, DebtState
from chat_hygiene.core.errors import AuditBrokenError, UsageError
from chat_hygiene.core.events import Event
from chat_hygiene.core.states import EFFECTIVE_STATES, OPEN_STATES, JobState
from chat_hygiene.pipeline.context import Context
from chat_hygiene.store import debts, proofs
from chat_hygiene.store.chain import Chain, Link
from chat_hygiene.store.engine import reading
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.records import Record
from chat_hygiene.store.seals import Sealed

VERSION = 1
KIND = "certificate"
_PURPOSE = b"chat-hygiene-certificate-1"
_TYPED = ("actor", "policy")
"""Columns of an event whose words were chosen by a person: a number in one is masked, and the event not shown whole."""
_MOVE = "job."
"""How the kinds begin that tell of a job's moves."""
_CLOSED = {event.value: state for state, event in debts.EVENTS.items()}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What checking a certificate found.

    Attributes:
        problem: why it proves nothing; None: it holds.
        document: what it says, None where it cannot be read.
        proven: events whose hash was computed again.
        bound: events that do not stand in it whole: the signature alone binds them.
    """

    problem: str | None
    document: dict[str, Any] | None = None
    proven: int = 0
    bound: int = 0


def issue(context: Context, job_id: int, *, now: datetime) -> bytes:
    """The certificate of a job that has ended and whose events are sealed.

    Raises UsageError when there is nothing to certify, AuditBrokenError when the job's row and its events tell different
    things, or an event is not as it was sealed.
    """
    key = context.keys.audit_key
    with reading(context.sessions) as session:
        job = proofs.job(session, job_id)
        if job is None:
            raise UsageError(f"there is no job {job_id}", fix="chat-hygiene jobs list shows them")
        if JobState(job["state"]) in OPEN_STATES:
            raise UsageError(
                f"job {job_id} has not ended, so there is nothing to certify yet",
                fix=f"chat-hygiene jobs show {job_id} tells where it stands",
            )
        events = proofs.events(session, key, job_id)
    chain = Chain(key)
    _agree(chain, job, events)
    document = {
        "version": VERSION,
        "kind": KIND,
        **_facts(job, events),
        "chain": {"key": chain.fingerprint, "events": [_shown(each) for each in events]},
        "issued_at": _instant(now),
        "issued_by": mask_numbers(context.actor),
    }
    return signed.write(document, _key(key))


def check(data: bytes, audit_key: bytes) -> Verdict:
    """Whether these bytes are a certificate as it was issued, by whoever has this key. Needs nothing else."""
    document = signed.parse(data, KIND)
    if document is None:
        return Verdict("it is no certificate, or was changed")
    chain = Chain(audit_key)
    if not _as_issued(document, data, audit_key):
        match document:
            case {"chain": {"key": str(key)}} if key != chain.fingerprint:
                ours = f"this one's fingerprint is {chain.fingerprint}"
                return Verdict(f"it was issued with another audit key ({ours}), or was changed")
        return Verdict("it is not as it was issued: something in it was changed")
    if document["version"] != VERSION:
        return Verdict("it was issued by another version of this program: check it with that")
    events = document["chain"]["events"]
    whole = [each for each in events if "withheld" not in each]
    for each in whole:
        values = [each["event"][name] for name in proofs.COLUMNS]
        if chain.follow(Link(each["position"] - 1, 0, each["before"]), values).hash != each["hash"]:
            return Verdict(f"event {each['event']['seq']} in it is not the one that was sealed")
    return Verdict(None, document, proven=len(whole), bound=len(events) - len(whole))


def _as_issued(document: Mapping[str, Any], data: bytes, audit_key: bytes) -> bool:
    try:
        return signed.holds(document, data, _key(audit_key))
    except RecursionError:  # nested deeper than anything that we write
        return False


def _key(audit_key: bytes) -> bytes:
    return hmac.digest(audit_key, _PURPOSE, "sha256")


def _agree(chain: Chain, job: Record, events: list[Sealed]) -> None:
    """The row could have been edited; the events could not."""
    for each in events:
        if chain.follow(Link(each.position - 1, 0, each.before), each.event).hash != each.hash:
            raise AuditBrokenError(
                f"event {each.event[0]} of job {job['id']} is not as it was sealed: nothing can be certified",
                fix="see `chat-hygiene audit verify`",
            )
    told = [_named(each) for each in events]
    moves = [each for each in told if each["kind"].startswith(_MOVE)]
    if not moves:
        raise UsageError(
            f"the audit holds no event that tells how job {job['id']} ended: it is past the audit's retention",
            fix="a certificate that was issued before still verifies",
        )
    for column, told_so in _sealed_facts(job, moves[-1], told).items():
        if job[column] != told_so:
            raise AuditBrokenError(
                f"the row of job {job['id']} has {column} {job[column]}, and its sealed events say {told_so}",
                fix="somebody changed its row: compare it with a backup",
            )


def _sealed_facts(job: Record, end: Mapping[str, Any], told: list[dict[str, Any]]) -> dict[str, object]:
    """What the row has to say, column by column: `end` is the last move of the job."""
    columns = ("run_id", "device", "chat_ref", "policy")
    facts: dict[str, object] = {name: end[name] for name in columns}
    facts |= {"state": end["outcome"], "version": end["policy_version"]}
    facts["finished_at"] = datetime.fromisoformat(end["at"])
    calls = [datetime.fromisoformat(each["at"]) for each in told if each["kind"] == Event.JOB_INTENT]
    # The last one, unless that did not act; past the audit's retention there is none any more.
    if calls and job["intent_at"] not in calls:
        facts["intent_at"] = calls[-1]
    if end["outcome"] in EFFECTIVE_STATES:
        seen = json.loads(end["detail"])
        closed = [_CLOSED[each["kind"]] for each in told if each["kind"] in _CLOSED]
        owed = DebtState.OPEN if end["outcome"] == JobState.REMOVED_LOCALLY else None
        debt = closed[-1] if closed else owed
        facts |= {"platform_state": seen.get("platform"), "debt_reason": seen.get("debt"), "debt_state": debt}
        # A look at what is owed may tell more of WhatsApp; that it is gone there settles the debt.
        if debt is None or (debt is not DebtState.SETTLED and job["whatsapp_state"] in PROOFS):
            facts["whatsapp_state"] = seen.get("whatsapp")
    return facts


def _facts(job: Record, events: list[Sealed]) -> dict[str, Any]:
    state = JobState(job["state"])
    debt = None if job["debt_state"] is None else DebtState(job["debt_state"])
    stored, stored_words = words.tables(
        removed=state in EFFECTIVE_STATES, back=job["back"], emptied=job["emptied"], has_id=job["has_id"]
    )
    told = [_named(each) for each in events]
    request = next((each for each in told if each["kind"] == Event.ERASURE_REQUESTED), None)
    done = next((each for each in told if each["kind"] == Event.ERASURE_DONE), None)
    ended = _instant(job["finished_at"])
    return {
        "job": job["id"],
        "chat": {name: job[name] for name in ("chat_ref", "chat_hint", "device")},
        "rule": {
            "policy": mask_numbers(job["policy"]),
            "version": job["version"],
            "words": job["rule"],
            "run": job["run_id"],
            "trigger": job["trigger"],
            "asked_by": mask_numbers(job["requested_by"] if request is None else request["actor"]),
            "approved_by": None if job["approved_by"] is None else mask_numbers(job["approved_by"]),
            "ticket": None if request is None else json.loads(request["detail"]).get("ticket"),
        },
        "when": {
            "requested_at": None if request is None else request["at"],
            "run_at": _instant(job["started_at"]),
            "queued_at": _instant(job["queued_at"]),
            "called_at": _instant(job["intent_at"]),
            "ended_at": ended,
            "emptied_at": None if done is None else done["at"],
        },
        "outcome": {"state": state, "words": words.OUTCOMES[state]},
        "whatsapp": {
            "state": job["whatsapp_state"],
            "words": words.whatsapp(job["whatsapp_state"], debt),
        },
        "platform": {"state": job["platform_state"], "words": words.platform(job["platform_state"])},
        "tables": {"state": stored, "words": stored_words},
        "debt": None
        if debt is None
        else {
            "state": debt,
            "reason": job["debt_reason"],
            "opened_at": _instant(job["debt_opened_at"]),
            "settled_at": _instant(job["debt_settled_at"]),
        },
    }


def _shown(sealed: Sealed) -> dict[str, Any]:
    event = _named(sealed)
    withheld = [
        name for name in _TYPED if event[name] is not None and mask_numbers(event[name]) != event[name]
    ]
    shown = event | {name: mask_numbers(event[name]) for name in withheld}
    if event["detail"] is not None and "because" in json.loads(event["detail"]):
        withheld.append("detail")
        del shown["detail"]
    place = {"position": sealed.position, "before": sealed.before, "hash": sealed.hash, "event": shown}
    return place | {"withheld": withheld} if withheld else place


def _named(sealed: Sealed) -> dict[str, Any]:
    return dict(zip(proofs.COLUMNS, sealed.event, strict=True))


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
