"""What a scheduled run waits for: data of its numbers that is fresh enough to delete by.

A due policy first asks for the sync it lacks (law 1). It does not wait for what cannot come: a number that is blocked,
paused for long, offline, or whose sync has failed since. Such a number is deferred, and the run says so.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from chat_hygiene.pipeline import rules
from chat_hygiene.settings import Settings
from chat_hygiene.store import devices, heartbeats
from chat_hygiene.store.devices import Device
from chat_policies import Policy

ACCOUNT = "account"
"""What listing the account's numbers is called among the chores."""


def ready(session: Session, policy: Policy, settings: Settings, *, since: datetime, now: datetime) -> bool:
    """Whether a run that waits since then need not wait any longer."""
    if now - since >= settings.freshness_seconds:
        return True
    if not devices.load(session) and heartbeats.chore_done_at(session, ACCOUNT) is None:
        return False
    return not awaited(session, policy, settings, since=since, now=now)


def awaited(
    session: Session, policy: Policy, settings: Settings, *, since: datetime, now: datetime
) -> list[Device]:
    """The policy's numbers whose data is stale and may still become fresh, by row id."""
    known = devices.names(session)
    scope = None if policy.devices is None else {known[name] for name in policy.devices if name in known}
    return [
        device
        for device in devices.load(session, scope)
        if device.usable and _may_become_fresh(device, policy, settings, since=since, now=now)
    ]


def lacks_sweep(device: Device, settings: Settings, *, now: datetime) -> bool:
    """Whether a complete sync is what a number lacks."""
    return _old(device.last_full_sync_at, settings, now)


def _may_become_fresh(
    device: Device, policy: Policy, settings: Settings, *, since: datetime, now: datetime
) -> bool:
    unswept = lacks_sweep(device, settings, now=now)
    unseen = _old(device.last_online_at, settings, now) and not rules.given_up(device, policy, now=now)
    if not (unswept or unseen) or device.blocked_reason is not None:
        return False
    until = device.waits_until(now)
    if until is not None and until - since > settings.sync_interval_seconds:
        return False
    if unswept and device.sync_failed_at is not None and device.sync_failed_at >= since:
        return False
    # Its session was offline when it was last looked at; an old look says nothing of now.
    looked = device.last_seen_at
    offline = (
        looked is not None
        and now - looked <= settings.sync_interval_seconds
        and device.session_status != "online"
    )
    return not (unseen and offline)


def _old(at: datetime | None, settings: Settings, now: datetime) -> bool:
    return not devices.is_fresh(at, now=now, freshness=settings.freshness_seconds)
