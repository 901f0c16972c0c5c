"""Applying a policy file: what it would change and reach, then storing it in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chat_hygiene.pipeline import preview
from chat_hygiene.store import policies
from chat_hygiene.store.policies import Change
from chat_hygiene.wiring.ledger import Ledger
from chat_policies import Policy


@dataclass(frozen=True, slots=True)
class Effect:
    """A change, and how many stored chats its rule matches now; None for keep-policies and unchanged ones."""

    change: Change
    matches: int | None


def effects(ledger: Ledger, wanted: Sequence[Policy], *, now: datetime) -> list[Effect]:
    """What storing these policies would do, in their order; stores nothing.

    Raises chat_policies.UnknownDeviceError when chats are stored and a policy names a device that is not.
    """
    found = []
    with ledger.reading() as session:
        for change in policies.compare(session, wanted):
            matches = None
            if change.policy.action == "delete" and change.what != "unchanged":
                (seen,) = preview.run(session, [change.policy], ledger.settings, now=now).previews
                matches = len(seen.matches)
            found.append(Effect(change, matches))
    return found


def apply(ledger: Ledger, wanted: Sequence[Policy], *, now: datetime) -> list[tuple[Change, int]]:
    """Stores what is new or changed, all or nothing, and seals; returns each change with its new version."""
    stored = []
    with ledger.writing() as session:
        for change in policies.compare(session, wanted):
            if change.what != "unchanged":
                version = policies.store(session, change, now=now, actor=ledger.settings.actor)
                stored.append((change, version))
    return stored
