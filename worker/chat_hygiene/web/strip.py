"""The strip on top of every page: am I safe? Each tile says one thing in a word or two, and leads to where more is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from chat_hygiene.core.words import count, span
from chat_hygiene.store.tallies import MOST
from chat_hygiene.web.zones import distance
from chat_hygiene.wiring.glancing import Glance
from chat_hygiene.wiring.health import QUEUES, TICK, Part


class Mood(StrEnum):
    """How a thing stands; shown by a sign and a word, never by colour alone."""

    GOOD = "good"
    LOOK = "look"
    BAD = "bad"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Tile:
    """One thing. `page` is the name of the page that tells more."""

    label: str
    says: str
    more: str
    mood: Mood
    page: str


def tiles(glance: Glance) -> tuple[Tile, ...]:
    """What stands on the strip, in its order."""
    return (
        _deleting(glance),
        _sync(glance),
        _worker("Worker", [part for part in glance.health.parts if part.name in QUEUES]),
        _worker("Beat", [part for part in glance.health.parts if part.name == TICK]),
        _numbers(glance),
        _budget(glance),
        _owed(glance),
        _overdue(glance),
    )


def number(value: int) -> str:
    """A count that may have ended at `MOST`."""
    return f"{value:,}+" if value >= MOST else f"{value:,}"


def _deleting(glance: Glance) -> Tile:
    stop = glance.stop
    if stop is not None:
        more = f"by {stop.actor}, {distance(stop.at, glance.at)}"
        return Tile("Deleting", "Stopped", more, Mood.LOOK, "overview")
    if glance.read_only:
        return Tile("Deleting", "Read only", "READ_ONLY is set", Mood.LOOK, "overview")
    return Tile("Deleting", "Running", "as the policies say", Mood.GOOD, "overview")


def _sync(glance: Glance) -> Tile:
    if not any(each.usable for each in glance.numbers):
        return Tile("Last sync", "None yet", "no number is known", Mood.PLAIN, "devices")
    at = glance.synced_at
    says = "Never" if at is None else distance(at, glance.at)
    if glance.stale:
        more = f"{count(len(glance.stale), 'number')} too old to delete by"
        return Tile("Last sync", says, more, Mood.BAD, "devices")
    return Tile("Last sync", says, "fresh enough to delete by", Mood.GOOD, "devices")


def _worker(label: str, parts: Sequence[Part]) -> Tile:
    ages = [part.age_seconds for part in parts if part.age_seconds is not None]
    silent = [part.name for part in parts if not part.ok]
    if not ages:
        return Tile(label, "Not seen", "nothing runs by itself", Mood.BAD, "overview")
    seen = f"seen {span(timedelta(seconds=max(ages)))} ago"
    if silent:
        who = "silent" if len(parts) == 1 else f"silent: {', '.join(silent)}"
        return Tile(label, "Silent", f"{seen}; {who}" if len(parts) > 1 else seen, Mood.BAD, "overview")
    return Tile(label, "Working", seen, Mood.GOOD, "overview")


def _numbers(glance: Glance) -> Tile:
    online, all_ = sum(each.online for each in glance.numbers), len(glance.numbers)
    blocked = sum(each.blocked_reason is not None for each in glance.numbers)
    if not all_:
        return Tile("Numbers", "None yet", "sync reads them", Mood.PLAIN, "devices")
    mood = Mood.BAD if blocked or not online else Mood.GOOD if online == all_ else Mood.LOOK
    more = f"{blocked} blocked" if blocked else "all online" if online == all_ else "the others wait"
    return Tile("Numbers", f"{online} of {all_} online", more, mood, "devices")


def _budget(glance: Glance) -> Tile:
    waiting = [each for each in glance.numbers if each.waits_until(glance.at) is not None]
    says = f"{glance.per_minute:,} a minute"
    if waiting:
        return Tile("Requests", says, f"{count(len(waiting), 'number')} paused", Mood.LOOK, "devices")
    return Tile("Requests", says, "for each number", Mood.PLAIN, "devices")


def _owed(glance: Glance) -> Tile:
    if glance.owed:
        return Tile("Still in WhatsApp", number(glance.owed), "removed here only", Mood.LOOK, "debt")
    return Tile("Still in WhatsApp", "None", "nothing is owed", Mood.GOOD, "debt")


def _overdue(glance: Glance) -> Tile:
    if glance.overdue:
        return Tile("Overdue", number(glance.overdue), "should be gone by now", Mood.LOOK, "leaving")
    return Tile("Overdue", "None", "all on time", Mood.GOOD, "leaving")
