"""The report views, version 1: which there are, and what each column says. Migrations 0004, 0006 and 0007 hold their SQL.

Instants are UTC: timestamptz on PostgreSQL, ISO-8601 text ending in Z on SQLite. Days are date / YYYY-MM-DD text, booleans
boolean / 0 and 1. Columns are only ever added, at the end. No view shows a full number, a chat's name or free text.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "integer", "instant", "day", "boolean"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a view."""

    name: str
    kind: Kind
    doc: str


@dataclass(frozen=True, slots=True)
class View:
    """One view; its rows are what `doc` says."""

    name: str
    doc: str
    columns: tuple[Column, ...]


def _view(name: str, doc: str, *columns: tuple[str, Kind, str]) -> View:
    return View(f"report_v1_{name}", doc, tuple(Column(*column) for column in columns))


_BLOCKED_BY = """stopped: all deleting, or its policy is paused; hold: a hold covers it; refused: WhatsApp refused once, and is
asked again; offline: its number is not online, not in operation, blocked, paused, or its breaker is open, and the policy
waits for it; brake: a limit or the canary withholds it; stale: its number's data was too old at the last run; NULL: its turn
comes""".replace("\n", " ")

VIEWS = (
    _view(
        "policies",
        "One row per policy, at its current version",
        ("policy", "text", "name"),
        ("version", "integer", "current version"),
        ("mode", "text", "enforce or observe; NULL for a keep-policy"),
        ("state", "text", "active, paused or retired"),
        ("schedule", "text", "cron with five fields; NULL for a keep-policy"),
        ("timezone", "text", "IANA zone of the schedule"),
        ("rule", "text", "the rule in words"),
        ("next_run_at", "instant", "next slot of its schedule; NULL while it is paused"),
        ("last_run_at", "instant", "start of its last run"),
        ("last_run_state", "text", "state of its last run"),
        (
            "overdue",
            "integer",
            "chats that should be gone and are not: due jobs that have not ended, and withheld",
        ),
        ("oldest_overdue_at", "instant", "since when the first of them should be"),
    ),
    _view(
        "runs",
        "One row per run of a policy",
        ("run_id", "integer", "id"),
        ("policy", "text", "name"),
        ("policy_version", "integer", "version that ran"),
        ("trigger", "text", "schedule, manual, approval or plan"),
        ("scheduled_for", "instant", "its slot; for a manual run its start"),
        ("started_at", "instant", "start"),
        ("finished_at", "instant", "end; NULL while it runs or waits"),
        ("mode", "text", "enforce or observe"),
        ("state", "text", "state, such as done or awaiting_approval"),
        ("reason", "text", "why it queued nothing, or what stopped it"),
        ("seen", "integer", "chats known on the policy's devices"),
        ("in_scope", "integer", "of these, in the policy's scope"),
        ("matched", "integer", "of these, candidates: every clause holds"),
        ("held", "integer", "would match, but a hold covers them"),
        ("kept", "integer", "would match, but a keep-policy covers them"),
        ("deferred", "integer", "match, and wait for a later run: for fresher data, or for the canary"),
        ("queued", "integer", "delete jobs it created"),
        ("deleted", "integer", "its jobs that ended deleted"),
        ("removed_locally", "integer", "its jobs that ended removed locally: still in WhatsApp"),
        ("already_gone", "integer", "its jobs whose chat was gone before"),
        ("cancelled", "integer", "its jobs that were cancelled: they no longer matched"),
        ("failed", "integer", "its jobs that failed or are quarantined"),
        ("requested_by", "text", "who or what started it"),
        ("approved_by", "text", "who approved it"),
    ),
    _view(
        "deletions",
        "One row per chat that left: each job that ended deleted, removed_locally or already_gone",
        ("job_id", "integer", "id"),
        ("run_id", "integer", "run that queued it"),
        ("policy", "text", "policy that decided"),
        ("policy_version", "integer", "version that the gate evaluated"),
        ("device", "text", "provider's id of the number"),
        ("chat_ref", "text", "the chat's pseudonym"),
        ("chat_hint", "text", "country code and last two digits"),
        ("reason", "text", "the rule in words"),
        ("outcome", "text", "deleted, removed_locally or already_gone; settling debt never changes it"),
        ("whatsapp_state", "text", "not_asked, confirmed, reported, unknown or present"),
        ("platform_state", "text", "removed, forced, unreachable or unknown"),
        ("queued_at", "instant", "when it was queued"),
        ("finished_at", "instant", "when it ended"),
        ("attempts", "integer", "counted calls, the one that removed it included"),
        ("error_class", "text", "kind of the last failure"),
        ("error_code", "text", "the provider's code for it"),
    ),
    _view(
        "deletions_daily",
        "One row per day (UTC), policy and number with outcomes",
        ("day", "day", "day"),
        ("policy", "text", "name"),
        ("device", "text", "provider's id of the number"),
        ("deleted", "integer", "chats deleted"),
        ("removed_locally", "integer", "chats removed locally: still in WhatsApp then"),
        ("already_gone", "integer", "chats that were gone before"),
        ("failed", "integer", "jobs that failed or were quarantined"),
    ),
    _view(
        "upcoming",
        "One row per policy and chat that is to leave: queued, or withheld by the policy's last run though it matches",
        ("policy", "text", "name"),
        ("device", "text", "provider's id of the number"),
        ("chat_ref", "text", "the chat's pseudonym"),
        ("chat_hint", "text", "country code and last two digits"),
        ("reason", "text", "the rule in words"),
        ("matched_at", "instant", "since when it matches"),
        (
            "not_before",
            "instant",
            "when its grace is over: when it may leave, or might have left, at the earliest",
        ),
        ("due_since", "instant", "not_before, once it has passed"),
        ("blocked_by", "text", _BLOCKED_BY),
    ),
    _view(
        "failures",
        "One row per job whose last attempt failed and that has not succeeded since",
        ("job_id", "integer", "id"),
        ("policy", "text", "name"),
        ("device", "text", "provider's id of the number"),
        ("chat_ref", "text", "the chat's pseudonym"),
        ("chat_hint", "text", "country code and last two digits"),
        ("error_class", "text", "kind of the last failure"),
        ("error_code", "text", "the provider's code for it"),
        ("attempts", "integer", "counted failures"),
        ("first_failed_at", "instant", "first failure"),
        ("last_failed_at", "instant", "last failure"),
        ("next_attempt_at", "instant", "next attempt; NULL when final"),
        ("final", "boolean", "failed or quarantined: not tried again by itself"),
    ),
    _view(
        "debt",
        "One row per chat that was removed here and not provably in WhatsApp",
        ("job_id", "integer", "id"),
        ("device", "text", "provider's id of the number"),
        ("chat_ref", "text", "the chat's pseudonym"),
        ("chat_hint", "text", "country code and last two digits"),
        ("policy", "text", "name"),
        ("opened_at", "instant", "when it was removed here"),
        ("age_seconds", "integer", "seconds since then"),
        ("reason", "text", "why it could not be removed in WhatsApp"),
        ("probes", "integer", "times it was looked for since"),
        ("next_probe_at", "instant", "when it is looked for next"),
        ("state", "text", "open, settled, superseded, abandoned or written_off"),
        ("settled_at", "instant", "when it was settled"),
    ),
    _view(
        "devices",
        "One row per WhatsApp number",
        ("device", "text", "provider's id of the number"),
        ("alias", "text", "its name in the provider's console"),
        ("status", "text", "operative is the only usable one"),
        ("session_status", "text", "online is the only one in which WhatsApp can be reached"),
        ("last_online_at", "instant", "when it was last seen online"),
        ("last_sync_at", "instant", "last successful sync of any kind"),
        ("last_full_sync_at", "instant", "last complete sync"),
        ("chats", "integer", "chats that are there, as far as we know"),
        (
            "uncovered",
            "integer",
            "of these, chats in the scope of no enforcing policy, whatever their age; NULL: not counted yet",
        ),
        ("paused_until", "instant", "no request is sent before"),
        ("blocked_reason", "text", "why it is blocked; NULL: it is not"),
    ),
    _view(
        "holds",
        "One row per hold, released ones too",
        ("hold_id", "integer", "id"),
        ("scope", "text", "chat, label or device"),
        ("chat_ref", "text", "the held chat's pseudonym"),
        ("label", "text", "the label that is held, with its phone numbers masked"),
        ("device", "text", "the number; NULL: all"),
        ("held_by", "text", "who placed it"),
        ("placed_at", "instant", "since when"),
        ("until", "instant", "until when; NULL: until released"),
        ("released_at", "instant", "when it was released"),
    ),
    _view(
        "changes",
        "One row per change of a policy, a hold or the stop switch",
        ("at", "instant", "when"),
        ("actor", "text", "who"),
        ("action", "text", "kind of the audit event"),
        ("object", "text", "the policy's name, hold or switch"),
        ("policy", "text", "name, for a policy"),
        ("from_version", "integer", "version before; NULL for a new policy"),
        ("to_version", "integer", "version after"),
    ),
    _view(
        "audit",
        "One row per audit event",
        ("seq", "integer", "number, in the order of writing"),
        ("at", "instant", "when"),
        ("kind", "text", "kind of event"),
        ("actor", "text", "who"),
        ("policy", "text", "name"),
        ("policy_version", "integer", "version"),
        ("run_id", "integer", "run"),
        ("job_id", "integer", "job"),
        ("device", "text", "provider's id of the number"),
        ("chat_ref", "text", "the chat's pseudonym"),
        ("outcome", "text", "final state of the job, for its last event"),
        ("detail", "text", "small facts as JSON, without what a person typed"),
        ("sealed", "boolean", "whether the chain covers it"),
    ),
    _view(
        "health",
        "One row per part of the service that must be alive, and one, `deleting`, for the stop switch",
        ("part", "text", "the part"),
        (
            "last_seen_at",
            "instant",
            "its last sign of life; of `deleting`: when it was last stopped or started",
        ),
        ("age_seconds", "integer", "seconds since then"),
        ("ok", "boolean", "seen within five minutes; of `deleting`: not stopped"),
        ("detail", "text", "what is wrong; NULL: nothing"),
    ),
)
