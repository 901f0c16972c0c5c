"""Preview: every chat that would go, now or at an instant to come, and why, from stored facts.

Reads only; no provider is in reach.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from chat_hygiene.core.states import OPEN_STATES, JobState
from chat_hygiene.pipeline import judging, rules
from chat_hygiene.pipeline.judging import Verdict
from chat_hygiene.settings import Settings
from chat_hygiene.store import candidates, chats, devices, holds, matching, policies, switches
from chat_hygiene.store.devices import Device
from chat_hygiene.store.policies import ON_REQUEST, StoredPolicy
from chat_hygiene.store.records import Record
from chat_hygiene.store.switches import Stop
from chat_policies import Funnel, Policy


@dataclass(frozen=True, slots=True)
class Match:
    """One chat that the policy matches.

    Attributes:
        leaves_at: when its grace is over, counted from its queueing, or else from the instant looked at.
        queued: the policy has queued it already.
        stays: why a run would not queue it all the same; None: nothing is in the way.
        stale: its number has to be synced first.
    """

    chat_ref: str
    chat_hint: str
    generation: int
    name: str | None
    device: str
    alias: str | None
    last_message_at: datetime | None
    leaves_at: datetime
    queued: bool
    stays: str | None
    stale: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What one policy would do.

    Attributes:
        fresh: how many of its matches a run would want to queue: nothing keeps them, and their data is fresh.
        verdict: what a run would be told about those, if the policy enforces.
        paused: the stored policy is, so that no run of it queues anything.
    """

    policy: Policy
    funnel: Funnel
    matches: tuple[Match, ...]
    fresh: int
    verdict: Verdict
    paused: bool

    @property
    def going(self) -> tuple[Match, ...]:
        """Those that nothing keeps."""
        return tuple(match for match in self.matches if match.stays is None)


@dataclass(frozen=True, slots=True)
class Report:
    """All previews, and how old the data is that they stand on.

    Attributes:
        at: the instant that was looked at.
        ahead: it is one to come: how fresh the data will be then is not asked.
        stopped: the stop in force: no run queues anything.
    """

    at: datetime
    ahead: bool
    previews: tuple[Preview, ...]
    devices: tuple[Device, ...]
    live_chats: int
    stopped: Stop | None = None


def run(
    session: Session,
    wanted: Sequence[Policy],
    settings: Settings,
    *,
    now: datetime,
    at: datetime | None = None,
) -> Report:
    """Previews the delete policies among `wanted`, stored or not, as if all of `wanted` were stored.

    With `at` it asks the same clauses as of that instant: what would go then if nothing changes until then.

    Raises chat_policies.UnknownDeviceError, except on a store that knows no device yet: there is nothing to preview.
    """
    moment, ahead = at or now, at is not None
    if not devices.names(session):
        return Report(moment, ahead, (), (), 0)
    names = {policy.name for policy in wanted}
    keeps = [policy for policy in policies.keeps(session) if policy.name not in names]
    keeps += [policy for policy in wanted if policy.action == "keep"]
    stored = {each.policy.name: each for each in policies.load(session) if each.policy.name in names}
    previews = []
    for policy in (each for each in wanted if each.action == "delete"):
        compiled = rules.clauses(session, policy, settings, now=moment, keeps=keeps)
        fresh = None if ahead else rules.fresh_ids(session, settings, policy, now=now)
        policy_id, version = _version(policy, stored.get(policy.name))
        free = candidates.free(policy_id, version, now=moment)
        found = matching.rows(session, compiled.matches(), free=free, now=moment)
        funnel = candidates.funnel(session, compiled)
        matches = tuple(_match(policy, row, fresh, at=moment) for row in found)
        to_queue = Counter(
            row["device_id"]
            for row, match in zip(found, matches, strict=True)
            if match.stays is None and not match.queued and not match.stale
        )
        verdict = judging.run(
            session,
            policy,
            compiled,
            to_queue,
            settings,
            policy_id=policy_id,
            version=version,
            now=moment,
        )
        paused = policy.name in stored and stored[policy.name].state == "paused"
        previews.append(Preview(policy, funnel, matches, to_queue.total(), verdict, paused))
    everywhere = tuple(devices.load(session))
    stopped = switches.stopped(session)
    return Report(moment, ahead, tuple(previews), everywhere, chats.count_live(session), stopped)


def _version(policy: Policy, stored: StoredPolicy | None) -> tuple[int, int]:
    """The row id and version whose day and failures count; a document that would become a new version has none yet."""
    if stored is None:
        return 0, 0
    return stored.id, stored.version if stored.policy == policy else 0


def _match(policy: Policy, row: Record, fresh: set[int] | None, *, at: datetime) -> Match:
    queued = row["job_policy"] == policy.name and row["job_state"] in OPEN_STATES
    grace = max(policy.grace, holds.GRACE_AFTER) if row["lately_held"] else policy.grace
    return Match(
        chat_ref=row["chat_ref"],
        chat_hint=row["chat_hint"],
        generation=row["generation"],
        name=row["name"],
        device=row["device"],
        alias=row["alias"],
        last_message_at=row["last_message_at"],
        leaves_at=row["not_before"] if queued else at + grace,
        queued=queued,
        stays=None if queued else stays(row),
        stale=fresh is not None and row["device_id"] not in fresh,
    )


def stays(row: Record) -> str | None:
    """Why a run would not queue a chat that matches (a row of `matching.rows`), or None when nothing is in the way."""
    if row["job_state"] == JobState.QUARANTINED:
        return "in quarantine"
    if row["job_state"] is not None:
        asked = row["job_policy"] == ON_REQUEST.name
        return "queued by an erasure request" if asked else f"queued by {row['job_policy']}"
    return None if row["free"] else "failed or came back in the last 7 days"
