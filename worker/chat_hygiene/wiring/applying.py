"""Applying: what a person does to whole policies: storing a file of them, pausing and resuming, and who did it.

Each is one transaction, and stands in the audit with its actor and the reason given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from chat_hygiene.core.errors import SafetyStopError, UsageError
from chat_hygiene.pipeline import changes, coverage
from chat_hygiene.pipeline import effects as looking
from chat_hygiene.pipeline.effects import Effect, Look
from chat_hygiene.store import queues, switches, versions
from chat_hygiene.store.queues import Leaving
from chat_hygiene.store.versions import Change, Entry, Head
from chat_hygiene.wiring.ledger import Ledger
from chat_hygiene.wiring.operating import check_reason
from chat_policies import Policy

__all__ = ["Effect", "Look", "Thaw", "apply", "effects", "history", "pause", "resume", "thaw"]


def effects(ledger: Ledger, wanted: Sequence[Policy], *, prune: bool = False, now: datetime) -> Look:
    """What storing these policies would do; with `prune`, and retiring those stored that are not among them.

    Raises chat_policies.UnknownDeviceError when devices are stored and a policy names one that is not.
    """
    with ledger.reading() as session:
        return looking.run(session, wanted, ledger.settings, prune=prune, now=now)


def apply(
    ledger: Ledger,
    wanted: Sequence[Policy],
    *,
    prune: bool = False,
    seen: Look | None = None,
    because: str | None = None,
    now: datetime,
) -> list[tuple[Change, int | None]]:
    """Stores what is new or changed and retires what `prune` tells to; all or nothing, and seals.

    Returns each change with its new version, None for what is retired. Raises UsageError for a reason that cannot stand in
    the audit, and SafetyStopError when the policies are not those any more that were `seen`.
    """
    if because is not None:
        check_reason(because)
    stored: list[tuple[Change, int | None]] = []
    with ledger.writing() as session:
        switches.shut_gate(session)
        if seen is not None and versions.basis(session) != seen.basis:
            raise SafetyStopError(
                "the stored policies were changed meanwhile: nothing was stored",
                fix="look again: run policy apply once more",
            )
        for change in versions.compare(session, wanted, prune=prune):
            if change.what == "retired":
                (head,) = versions.look(session, [change.policy.name]).values()
                changes.retire(ledger.context, session, head, now=now, because=because)
                stored.append((change, None))
            elif change.what != "unchanged":
                version = changes.store(ledger.context, session, change, now=now, because=because)
                stored.append((change, version))
    if stored:
        coverage.count(ledger.context, now=now)
    return stored


def pause(ledger: Ledger, names: Sequence[str], *, because: str, now: datetime) -> list[str]:
    """Pauses these policies at once; returns those that were not paused already.

    Raises UsageError, with nothing done, for an unknown name or a keep-policy.
    """
    return _turn(ledger, names, "active", changes.pause, because=because, now=now)


def resume(ledger: Ledger, names: Sequence[str], *, because: str, now: datetime) -> list[str]:
    """Lets these policies go on; returns those that were paused. Raises UsageError or UnreadablePolicyError, with nothing done."""
    return _turn(ledger, names, "paused", changes.resume, because=because, now=now)


@dataclass(frozen=True, slots=True)
class Thaw:
    """What resuming a policy sets free; None of what is `leaving` when it is not paused."""

    policy: str
    leaving: Leaving | None


def thaw(ledger: Ledger, names: Sequence[str], *, now: datetime) -> list[Thaw]:
    """How soon the queues of these policies leave once they are resumed. Raises UsageError for an unknown name."""
    with ledger.reading() as session:
        return [
            Thaw(
                head.name,
                queues.leaving(session, head.id, now=now) if head.state == "paused" else None,
            )
            for head in _heads(session, names)
        ]


def history(ledger: Ledger, name: str) -> list[Entry]:
    """What was done to a policy, retired or not, newest first. Raises UsageError when there never was one of that name."""
    with ledger.reading() as session:
        entries = versions.history(session, name)
    if not entries:
        raise UsageError(
            f"no policy was ever named {name}", fix="chat-hygiene policy list shows those that are stored"
        )
    return entries


def _turn(
    ledger: Ledger,
    names: Sequence[str],
    only: str,
    turn: Callable[..., None],
    *,
    because: str,
    now: datetime,
) -> list[str]:
    check_reason(because)
    with ledger.writing() as session:
        switches.shut_gate(session)
        heads = [head for head in _heads(session, names) if head.state == only]
        for head in heads:
            turn(ledger.context, session, head, now=now, because=because)
    if heads:
        coverage.count(ledger.context, now=now)
    return [head.name for head in heads]


def _heads(session: Session, names: Sequence[str]) -> list[Head]:
    found = versions.look(session, names)
    if unknown := [name for name in names if name not in found]:
        raise UsageError(
            f"no policy is named {', '.join(unknown)}",
            fix="chat-hygiene policy list shows those that are stored",
        )
    if keeps := [head.name for head in found.values() if head.action == "keep"]:
        raise UsageError(
            f"{', '.join(sorted(keeps))} keeps chats, and paused it would keep none",
            fix="take it out of the file: chat-hygiene policy apply FILE --prune shows what goes without it",
        )
    return sorted(found.values(), key=lambda head: head.id)
