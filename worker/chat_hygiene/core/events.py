"""The closed set of audit event kinds. An event says who did what, when, to which pseudonym; never a number or a name.

docs/audit-events.md is written from this: for each kind what happened, and which facts its `detail` may hold.
"""

from enum import StrEnum
from typing import Self

_RUN = (
    "reason",
    "digest",
    "canary",
    "seen",
    "in_scope",
    "matched",
    "held",
    "kept",
    "deferred",
    "queued",
    "duplicates",
)
_OUTCOME = ("whatsapp", "platform", "debt")


class Event(StrEnum):
    """Kinds, each with `meaning`, what happened, and `facts`, the keys of its detail. `job.*` are written by the mover, one per move."""

    meaning: str
    facts: tuple[str, ...]

    def __new__(cls, kind: str, meaning: str, *facts: str) -> Self:
        """A member: its kind, what happened, and the keys of its detail."""
        member = str.__new__(cls, kind)
        member._value_ = kind
        member.meaning, member.facts = meaning, facts
        return member

    POLICY_CREATED = (
        "policy.created",
        "A policy was stored for the first time.",
        *("from_version", "mode", "action", "because"),
    )
    POLICY_CHANGED = (
        "policy.changed",
        "A new version of a policy was stored, also of one that was retired.",
        *("from_version", "mode", "action", "because"),
    )
    POLICY_RETIRED = "policy.retired", "Nothing happens by this policy any more.", "because"
    POLICY_PAUSED = (
        "policy.paused",
        "Nothing is queued or deleted by this policy until it is resumed.",
        "because",
    )
    POLICY_RESUMED = "policy.resumed", "A paused policy goes on with its next slot.", "because"
    RUN_SKIPPED = (
        "run.skipped",
        "Slots of the schedule that were missed: not run, or merged into a later one.",
        *("since", "coalesced", "missed", "paused", "further"),
        *_RUN,
    )
    TICK_LATE = "tick.late", "Nothing looked at the schedules for longer than it should have been.", "seconds"
    RUN_STARTED = (
        "run.started",
        "A slot of the schedule came: its run waits for the sync that it lacks.",
        "slot",
    )
    RUN_FINISHED = (
        "run.finished",
        "A run ended: what it found, what it queued, or why it queued nothing.",
        *_RUN,
    )
    RUN_FAILED = "run.failed", "A run could not be evaluated, and nothing was queued by it.", *_RUN
    RUN_AWAITING_APPROVAL = (
        "run.awaiting_approval",
        "A brake or the canary holds a run back: nothing of it goes unless somebody approves it.",
        *_RUN,
    )
    RUN_SUPERSEDED = (
        "run.superseded",
        "A run that awaited approval no longer does: a newer one, or another version of the policy, took its place.",
        "by_run",
    )
    RUN_APPROVED = (
        "run.approved",
        "A person let exactly its candidates, or fewer, go: how many dropped out, by clause.",
        *("awaited_for", "candidates", "digest", "queued", "dropped", "per_day", "because"),
    )
    RUN_REJECTED = "run.rejected", "A person let none of its candidates go.", "because"
    RUN_EXPIRED = "run.expired", "Nobody decided in time: none of its candidates goes.", "awaited_for"
    JOBS_QUEUED = (
        "jobs.queued",
        "One per run: count and digest of the chats that it queued.",
        "count",
        "digest",
    )
    JOB_CLAIMED = "job.claimed", "A worker took a job up, to read its chat afresh."
    JOB_RELEASED = "job.released", "A worker handed a job back without a call: it waits.", "reason"
    JOB_CANCELLED = (
        "job.cancelled",
        "A job left the queue without a call: the clause that no longer holds, or `operator`.",
        *("clause", "because"),
        *_OUTCOME,
        "error",
    )
    JOB_INTENT = (
        "job.intent",
        "The gate let a job pass: its one call may go out, and the version of the policy that allowed it.",
        *("intent", "offline_seconds"),
    )
    JOB_WITHDRAWN = "job.withdrawn", "The call that was allowed did not go out in time.", "reason"
    JOB_RETRY = (
        "job.retry",
        "A call failed, or its outcome is not known: it is read first, then tried again.",
        *_OUTCOME,
        "error",
        "next",
    )
    JOB_LOST = (
        "job.lost",
        "The worker that held the call died: it is read first what became of it.",
        "crashes",
    )
    JOB_REQUEUED = (
        "job.requeued",
        "An operator wants it tried again; `forced` when by force.",
        *("forced", "because"),
    )
    JOB_DELETED = (
        "job.deleted",
        "The chat is deleted, in WhatsApp too unless the policy says otherwise.",
        *_OUTCOME,
    )
    JOB_ALREADY_GONE = "job.already_gone", "The chat was gone before us.", *_OUTCOME
    JOB_REMOVED_LOCALLY = (
        "job.removed_locally",
        "The chat is removed on the platform, and not proven to be gone from WhatsApp: a debt is open.",
        *_OUTCOME,
    )
    JOB_FAILED = "job.failed", "The chat stays: it is not tried again for a while.", *_OUTCOME, "error"
    JOB_QUARANTINED = (
        "job.quarantined",
        "Workers died with it again and again: only an operator has it tried once more.",
        "crashes",
    )
    DEBT_SETTLED = (
        "debt.settled",
        "What was owed in WhatsApp is gone there; `by_job` when another job removed it.",
        "by_job",
    )
    DEBT_SUPERSEDED = (
        "debt.superseded",
        "The chat came back as a new conversation: what was owed of the earlier one is moot.",
    )
    DEBT_ABANDONED = (
        "debt.abandoned",
        "It was looked for long enough: the chat's id is erased, and nobody can look any more.",
    )
    DEBT_WRITTEN_OFF = "debt.written_off", "A person gave a debt up.", "because"
    CHAT_RETURNED = "chat.returned", "A removed chat is back with a newer message: a new conversation."
    CHAT_RESURRECTED = "chat.resurrected", "A removed chat is listed again with the same last message."
    CHAT_VANISHED = "chat.vanished", "Two complete sweeps did not show it; nobody here removed it.", "likely"
    SYNC_COMPLETED = "sync.completed", "Every chat of a number was read.", "seen", "new", "changed", "missing"
    SYNC_FAILED = "sync.failed", "The chats of a number could not be read.", "error", "status"
    DEVICE_BLOCKED = (
        "device.blocked",
        "Nothing goes out for a number: the key, the plan, or the number is gone.",
        "reason",
    )
    DEVICE_UNBLOCKED = "device.unblocked", "A good answer lifted that."
    HOLD_PLACED = (
        "hold.placed",
        "What it names is kept, whatever any policy says.",
        "hold",
        "scope",
        "until",
        "because",
    )
    HOLD_RELEASED = "hold.released", "A hold was ended by a person.", "hold", "scope", "because"
    STOPPED = "stopped", "No delete goes out any more, of any policy, until `started`.", "because"
    STARTED = "started", "Deleting goes on.", "because"
    WEBHOOK_REGISTERED = "webhook.registered", "The provider calls us from now on.", "at", "name"
    RECORDS_PURGED = (
        "records.purged",
        "Our own rows past their retention are gone: how many of each kind.",
        *("before", "jobs", "candidates", "runs", "chats"),
    )
    AUDIT_EXPORTED = (
        "audit.exported",
        "Somebody wrote events to a file: all, those of one chat, or those about to be purged.",
        "of",
    )
    AUDIT_PURGED = (
        "audit.purged",
        "The oldest events past the audit's own retention are gone: how many, and from where on the rest is proven.",
        *("events", "through", "through_seq"),
    )
    NUMBERS_SHOWN = "numbers.shown", "Somebody looked at full numbers: how many, and where.", "count", "where"
    ERASURE_REQUESTED = (
        "erasure.requested",
        "One person's chat is to go: why, and under which ticket.",
        *("because", "ticket"),
    )
    ERASURE_DONE = "erasure.done", "What is stored of that chat is gone, but for what proves it.", "id_kept"
    CERTIFICATE_ISSUED = "certificate.issued", "A certificate of what became of a chat was written."
