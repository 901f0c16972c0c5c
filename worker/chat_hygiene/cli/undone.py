"""What of the work is undone, late, or waits for a person: lines of `doctor`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from chat_hygiene.cli.output import count, instant, name_of, span
from chat_hygiene.core.errors import Exit

if TYPE_CHECKING:
    from chat_hygiene.settings import Settings
    from chat_hygiene.wiring import Standing

_STARTS = "`chat-hygiene start`, once it may go on"
# What keeps chats back (`blocked_by` of report_v1_upcoming), and what to do about it.
_BLOCKS = {
    "stopped": ("stopped, or their policy is paused", _STARTS),
    "hold": ("held", "`chat-hygiene hold list` shows who holds them"),
    "refused": ("refused by WhatsApp once", "they are asked again by themselves"),
    "offline": ("whose number cannot be used now", "bring it online: its own line below says what is wrong"),
    "brake": ("held back by a brake or a canary", "`chat-hygiene runs list` shows what awaits you"),
    "stale": ("whose data was too old to delete by", "`chat-hygiene sync --full` says why"),
    None: (
        "with nothing known in their way",
        "they go while `chat-hygiene up` runs, or by `chat-hygiene run`",
    ),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One line. `ok` None: look at it, but nothing is broken. `code` is what the command exits with when not ok."""

    part: str
    ok: bool | None
    says: str
    fix: str = ""
    code: Exit = Exit.UNREACHABLE


def checks(standing: "Standing", settings: "Settings", now: datetime) -> Iterator[Check]:
    """What somebody decided, what awaits a decision, what is late or owed, and how old the stored data is."""
    if standing.stop is not None:
        says = f"stopped by {standing.stop.actor} since {instant(standing.stop.at)}"
        yield Check("deleting", None, says, _STARTS)
    if standing.awaiting:
        yield _approvals(standing)
    if standing.late:
        yield _late(standing)
    if standing.abandoned:
        yield _debt(standing.abandoned)
    if not standing.numbers:
        return
    yield _sync(standing, settings, now)
    if standing.uncovered:
        told = ", ".join(
            f"{number:,} on {name_of(device.alias, device.device)}" for device, number in standing.uncovered
        )
        yield Check("coverage", True, f"chats that no enforcing policy covers: {told}")


def _approvals(standing: "Standing") -> Check:
    runs = ", ".join(f"{row['policy']} (run {row['id']})" for row in standing.awaiting)
    says = f"no chat of these runs is deleted before somebody decides: {runs}"
    return Check("approvals", None, says, "`chat-hygiene runs show RUN`, then approve or reject it")


def _late(standing: "Standing") -> Check:
    number = sum(each.chats for each in standing.late)
    since = min(each.since for each in standing.late)
    says = f"{count(number, 'chat')} should be gone and {'is' if number == 1 else 'are'} not, the first since {instant(since)}"
    blocks = sorted(standing.blocks.items(), key=lambda each: -each[1])
    if not blocks:
        return Check("late", None, f"{says}: being worked right now")
    told = ", ".join(f"{chats:,} {_BLOCKS[block][0]}" for block, chats in blocks)
    return Check("late", None, f"{says}: {told}", _BLOCKS[blocks[0][0]][1])


def _debt(abandoned: int) -> Check:
    one = abandoned == 1
    says = f"{count(abandoned, 'chat')} {'was' if one else 'were'} removed here but not in WhatsApp, and {'is' if one else 'are'} looked for no longer"
    fix = "see `chat-hygiene debt list`; delete them in the WhatsApp app, then `chat-hygiene debt write-off`"
    return Check("debt", None, says, fix)


def _sync(standing: "Standing", settings: "Settings", now: datetime) -> Check:
    old = {
        name_of(each.alias, each.device): each.last_full_sync_at
        for each in standing.numbers
        if each.last_full_sync_at is None
        or now - each.last_full_sync_at > 2 * settings.full_sync_interval_seconds
    }
    if old:
        told = ", ".join(
            f"{name} ({'never' if at is None else f'{span(now - at)} ago'})" for name, at in old.items()
        )
        return Check(
            "sync", None, f"no complete one lately: {told}", "run `chat-hygiene sync --full`, which says why"
        )
    oldest = max(now - each.last_full_sync_at for each in standing.numbers if each.last_full_sync_at)
    return Check("sync", True, f"every number was read completely within the last {span(oldest)}")
