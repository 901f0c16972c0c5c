"""What each kind of incident is called when it begins, in a title, and when it is over. Plain text without a person in it.

Policies and numbers appear by the names that their owners gave them, with everything masked that looks like a phone number.
"""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from chat_hygiene.core.incidents import Incident, Kind
from chat_hygiene.core.words import count
from chat_hygiene.logs import one_line
from chat_hygiene.pipeline.incidents import OFFLINE, UNREAD
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.wiring.health import TICK

TITLES: Mapping[Kind, tuple[str, str]] = {
    Kind.APPROVAL: ("1 run awaits your approval", "{} runs await your approval"),
    Kind.STOPPED: ("all deleting is stopped", "all deleting is stopped"),
    Kind.BLOCKED: ("1 number is blocked", "{} numbers are blocked"),
    Kind.STALE: ("1 number is out of date", "{} numbers are out of date"),
    Kind.FAILURES: ("deletions of 1 policy failed", "deletions of {} policies failed"),
    Kind.RUN_FAILED: ("the run of 1 policy failed", "the runs of {} policies failed"),
    Kind.DEBT: ("chats of 1 number are still in WhatsApp", "chats of {} numbers are still in WhatsApp"),
    Kind.SILENT: ("1 part of the service is silent", "{} parts of the service are silent"),
}
"""Of a message about one kind: for one incident, and for several."""

DO: Mapping[Kind, str] = {
    Kind.APPROVAL: "chat-hygiene runs show RUN, then approve or reject it",
    Kind.STOPPED: "chat-hygiene start, once it may go on",
    Kind.BLOCKED: "chat-hygiene doctor says how to mend it",
    Kind.STALE: "chat-hygiene doctor says how to mend it",
    Kind.FAILURES: "chat-hygiene jobs list --state failed, or quarantined",
    Kind.RUN_FAILED: "chat-hygiene runs show RUN",
    Kind.DEBT: "chat-hygiene debt list; they are looked for by themselves",
    Kind.SILENT: "see that its worker runs; its log says what stopped it",
}
"""What to do about it."""

_BEGAN: Mapping[Kind, str] = {
    Kind.APPROVAL: "{policy}: run {run} awaits approval of {chats}{until}",
    Kind.STOPPED: "all deleting is stopped since {since}",
    Kind.BLOCKED: "{number}: blocked, {why}",
    Kind.STALE: "{number}: {why}",
    Kind.FAILURES: "{policy}: {chats} could not be deleted",
    Kind.RUN_FAILED: "{policy}: run {run} failed, and queued nothing",
    Kind.DEBT: "{number}: {chats} removed here, still in WhatsApp, the first since {since}",
    Kind.SILENT: "{why}",
}
_ENDED: Mapping[Kind, str] = {
    Kind.APPROVAL: "{policy}: run {run} {decided}",
    Kind.STOPPED: "deleting goes on (stopped {since} to {ended})",
    Kind.BLOCKED: "{number}: no longer blocked ({since} to {ended})",
    Kind.STALE: "{number}: up to date again (out of date {since} to {ended})",
    Kind.FAILURES: "{policy}: no new failures for a day; what failed before stays so",
    Kind.RUN_FAILED: "{policy}: runs again (failed {since})",
    Kind.DEBT: "{number}: nothing old is still in WhatsApp",
    Kind.SILENT: "the {part} works again (silent {since} to {ended})",
}
BLOCKED = {
    "key": "the API refuses our key",
    "plan": "its plan gives no access to its chats",
    "gone": "the account does not know it",
}
"""Why a number is blocked."""
_STALE = {
    (OFFLINE, True): "was never seen online",
    (OFFLINE, False): "not online since {since}",
    (UNREAD, True): "its chats could not be read yet",
    (UNREAD, False): "its chats were last read {since}",
}
_DECIDED = {
    "done": "was approved",
    "rejected": "was rejected",
    "expired": "expired: nobody decided, and nothing of it is deleted",
    "superseded": "was replaced by something newer",
}


class Clock:
    """Instants as somebody in a zone reads them: `Mon 23 Nov 08:00`. No locale: the log's reader is not the message's."""

    _DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    _MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def __call__(self, at: datetime) -> str:
        """`at`, which may be in any zone."""
        at = at.astimezone(self._zone)
        return f"{self._DAYS[at.weekday()]} {at.day} {self._MONTHS[at.month - 1]} {at:%H:%M}"


def began(incident: Incident, clock: Clock) -> str:
    """One line: what is wrong."""
    of, since = incident.detail, clock(incident.opened_at)
    why = ""
    if incident.kind is Kind.BLOCKED:
        why = BLOCKED.get(of["why"], "the API refuses it")
    elif incident.kind is Kind.STALE:
        why = _STALE[of["why"], of["never"]].format(since=since)
    elif incident.kind is Kind.SILENT:
        why = (
            "nobody looks at the schedules"
            if of["part"] == TICK
            else f"nobody works on the queue {of['part']}"
        )
    until = of.get("until")
    return _BEGAN[incident.kind].format_map(
        _named(incident)
        | {
            "since": since,
            "why": why,
            "until": "" if until is None else f", until {clock(datetime.fromisoformat(until))}",
        }
    )


def ended(incident: Incident, clock: Clock) -> str:
    """One line: what is over."""
    return _ENDED[incident.kind].format_map(
        _named(incident)
        | {
            "since": clock(incident.opened_at),
            "ended": clock(incident.closed_at or incident.opened_at),
            "decided": _DECIDED.get(incident.detail.get("state", ""), "is gone"),
        }
    )


def shown(name: str) -> str:
    """A name that an owner gave, as a message may hold it."""
    return one_line(mask_numbers(name))


def _named(incident: Incident) -> dict[str, str]:
    of = incident.detail
    names = {key: shown(of[key]) for key in ("policy", "number") if key in of}
    part = of.get("part")
    return names | {
        "run": str(of.get("run", "")),
        "chats": count(of.get("chats", 0), "chat"),
        "part": "look at the schedules" if part == TICK else f"queue {part}",
    }
