"""The messages to people: short plain text for a telephone, whose title alone says what it is about."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from chat_hygiene.core.incidents import Incident, Kind
from chat_hygiene.core.states import JobState
from chat_hygiene.core.words import count
from chat_hygiene.store.digests import Facts
from chat_hygiene.wiring.phrases import DO, TITLES, Clock, shown
from chat_hygiene.wiring.phrases import began as began_line
from chat_hygiene.wiring.phrases import ended as ended_line

WHO = "chat-hygiene"
_MOST = 5
"""Lines of one kind; how many more there are is said."""


class Mood(StrEnum):
    """How a service may colour a message."""

    INFO = "info"
    WARNING = "warning"
    SUCCESS = "success"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. The title alone says what it is about."""

    title: str
    body: str
    mood: Mood


def news(
    began: Sequence[Incident],
    ended: Sequence[Incident],
    *,
    others: int,
    zone: ZoneInfo,
    page: str | None,
) -> Message:
    """What began and what is over. `others`: how many more incidents are open; `page`: where the page is, if anywhere."""
    clock = Clock(zone)
    lines = []
    for kind, some in _by_kind(began).items():
        lines += [*_some(began_line(each, clock) for each in some), f"→ {DO[kind]}", ""]
    if ended:
        past = (ended_line(each, clock) for some in _by_kind(ended).values() for each in some)
        lines += ["Over:" if began else "", *_some(past), ""]
    lines.append(f"{count(others, 'other incident')} still open" if others else _rest(began))
    lines += [page] if page else []
    mood = Mood.WARNING if began else Mood.SUCCESS
    return Message(f"{WHO}: {_title(began, ended, others)}", _text(lines), mood)


def digest(
    facts: Facts,
    open_now: Sequence[Incident],
    *,
    since: datetime,
    at: datetime,
    until: datetime,
    zone: ZoneInfo,
    page: str | None,
) -> Message:
    """What happened from `since` to `at`, how things stand, and what comes before `until`."""
    clock = Clock(zone)
    deleted = _sums(facts, JobState.DELETED)
    gone = _sums(facts, JobState.ALREADY_GONE)
    local = _sums(facts, JobState.REMOVED_LOCALLY)
    failed = _sums(facts, JobState.FAILED, JobState.QUARANTINED)
    late = {each.policy: each.chats for each in facts.late}
    lines = [
        f"{clock(since)} to {clock(at)} ({zone.key})",
        "",
        *_numbers("Deleted", deleted),
        *(_numbers("Gone before we came", gone) if gone else []),
        *(_numbers("Removed here, not in WhatsApp", local) if local else []),
        f"Still in WhatsApp, in all: {facts.in_whatsapp:,}",
        *_numbers("Failed", failed),
        *_numbers("Overdue", late),
        *_numbers(f"May leave until {clock(until)}", facts.leaving),
        "",
        "Next runs:" if facts.next_runs else "No policy runs",
        *_some(
            f"{shown(policy)}: {'none planned' if next_run is None else clock(next_run)}"
            for policy, next_run in facts.next_runs.items()
        ),
        "",
        "Open:" if open_now else "Nothing is open",
        *_some(began_line(each, clock) for some in _by_kind(open_now).values() for each in some),
        *([page] if page else []),
    ]
    title = f"{sum(deleted.values()):,} deleted, {sum(failed.values()):,} failed, {len(open_now):,} open"
    return Message(f"{WHO}: {title}", _text(lines), Mood.INFO)


def trial() -> Message:
    """One that somebody asked for to see whether messages arrive."""
    says = "This is a test. Incidents and digests will arrive like this; nothing is wrong."
    return Message(f"{WHO}: test message", says, Mood.INFO)


def _title(began: Sequence[Incident], ended: Sequence[Incident], others: int) -> str:
    kinds = _by_kind(began)
    if len(kinds) == 1:
        [(kind, some)] = kinds.items()
        one, more = TITLES[kind]
        return one if len(some) == 1 else more.format(f"{len(some):,}")
    if began:
        return f"{count(len(began), 'thing')} need you"
    return "all clear" if not others else f"{count(len(ended), 'incident')} over"


def _rest(began: Sequence[Incident]) -> str:
    return "" if began else "Nothing else is open"


def _by_kind(incidents: Iterable[Incident]) -> dict[Kind, list[Incident]]:
    found: dict[Kind, list[Incident]] = defaultdict(list)
    for each in incidents:
        found[each.kind].append(each)
    return {kind: found[kind] for kind in Kind if kind in found}


def _sums(facts: Facts, *states: JobState) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for (policy, state), number in facts.ended.items():
        if state in states:
            sums[policy] += number
    return sums


def _numbers(what: str, by_policy: Mapping[str, int]) -> list[str]:
    most = sorted(by_policy.items(), key=lambda each: (-each[1], each[0]))
    rows = _some(f"{shown(policy)}: {number:,}" for policy, number in most)
    return [f"{what}: {sum(by_policy.values()):,}", *rows]


def _some(lines: Iterable[str]) -> list[str]:
    found = [f"- {line}" for line in lines]
    more = len(found) - _MOST
    return [*found[:_MOST], f"- and {more:,} more"] if more > 1 else found


def _text(lines: Iterable[str]) -> str:
    """The lines, without blank ones that stand together or at an end."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip()
