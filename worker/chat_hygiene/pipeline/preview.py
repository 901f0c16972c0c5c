"""Preview: every chat that would go, and why, from stored facts. Reads only; no provider is in reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from chat_hygiene.pipeline import rules
from chat_hygiene.settings import Settings
from chat_hygiene.store import candidates, chats, devices, jobs, policies
from chat_hygiene.store.devices import Device
from chat_hygiene.store.records import Record
from chat_policies import Funnel, Policy


@dataclass(frozen=True, slots=True)
class Match:
    """One chat that would go. `leaves_at` is when it would: once its grace is over, from now or from its queueing."""

    chat_ref: str
    chat_hint: str
    name: str | None
    device: str
    alias: str | None
    last_message_at: datetime | None
    leaves_at: datetime
    queued: bool
    stale: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What one policy would do."""

    policy: Policy
    funnel: Funnel
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All previews, and how old the data is that they stand on."""

    previews: tuple[Preview, ...]
    devices: tuple[Device, ...]
    live_chats: int


def run(session: Session, wanted: Sequence[Policy], settings: Settings, *, now: datetime) -> Report:
    """Previews the delete policies among `wanted`, stored or not, as if all of `wanted` were stored.

    Raises chat_policies.UnknownDeviceError, except on a store that knows no device yet: there is nothing to preview.
    """
    if not devices.names(session):
        return Report((), (), 0)
    names = {policy.name for policy in wanted}
    keeps = [policy for policy in policies.keeps(session) if policy.name not in names]
    keeps += [policy for policy in wanted if policy.action == "keep"]
    queued = {
        (row["chat_id"], row["generation"], row["policy"]): row["not_before"] for row in jobs.waiting(session)
    }
    previews = []
    for policy in (each for each in wanted if each.action == "delete"):
        compiled = rules.clauses(session, policy, settings, now=now, keeps=keeps)
        found = candidates.matches(session, compiled.matches())
        fresh = rules.fresh_ids(session, settings, policy, now=now)

        def match(row: Record, policy: Policy = policy, fresh: set[int] = fresh) -> Match:
            since = queued.get((row["id"], row["generation"], policy.name))
            return Match(
                chat_ref=row["chat_ref"],
                chat_hint=row["chat_hint"],
                name=row["name"],
                device=row["device"],
                alias=row["alias"],
                last_message_at=row["last_message_at"],
                leaves_at=since or now + policy.grace,
                queued=since is not None,
                stale=row["device_id"] not in fresh,
            )

        funnel = candidates.funnel(session, compiled)
        previews.append(Preview(policy, funnel, tuple(match(row) for row in found)))
    return Report(tuple(previews), tuple(devices.load(session)), chats.count_live(session))
