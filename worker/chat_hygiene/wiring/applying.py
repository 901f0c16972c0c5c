"""Applying a policy file: what it would change and reach, then storing it in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chat_hygiene.pipeline import changes, preview
from chat_hygiene.store import versions
from chat_hygiene.store.versions import Change
from chat_hygiene.wiring.ledger import Ledger
from chat_policies import Policy


@dataclass(frozen=True, slots=True)
class Effect:
    """A change, and how many stored chats it matches now; None: nothing to say, as of keep-policies and unchanged ones."""

    change: Change
    matches: int | None


def effects(ledger: Ledger, wanted: Sequence[Policy], *, now: datetime) -> list[Effect]:
    """What storing these policies would do, in their order; stores nothing.

    Raises chat_policies.UnknownDeviceError when devices are stored and a policy names one that is not.
    """
    with ledger.reading() as session:
        found = versions.compare(session, wanted)
        seen = preview.run(session, wanted, ledger.settings, now=now)
    matches = {each.policy.name: len(each.matches) for each in seen.previews}
    return [
        Effect(change, None if change.what == "unchanged" else matches.get(change.policy.name))
        for change in found
    ]


def apply(ledger: Ledger, wanted: Sequence[Policy], *, now: datetime) -> list[tuple[Change, int]]:
    """Stores what is new or changed, all or nothing, and seals; returns each change with its new version."""
    stored = []
    with ledger.writing() as session:
        for change in versions.compare(session, wanted):
            if change.what != "unchanged":
                version = changes.store(ledger.context, session, change, now=now)
                stored.append((change, version))
    return stored
