"""The one way from a stored policy to clauses: preview, explain, evaluation and the gate all ask here."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from chat_hygiene.settings import Settings
from chat_hygiene.store import devices, holds, policies
from chat_hygiene.store.devices import Device
from chat_hygiene.store.policies import ON_REQUEST
from chat_hygiene.store.tables import chats
from chat_policies import Clause, Compiled, Compiler, Policy


class Rules:
    """All that a policy's clauses stand on besides the policy, read once: for a look at many policies, or at many instants.

    `keeps` stands in for the stored keep-policies, for a look at a document that is not stored yet.
    """

    def __init__(self, session: Session, settings: Settings, keeps: Sequence[Policy] | None = None) -> None:
        self.keeps = policies.keeps(session) if keeps is None else keeps
        self._devices, self._min_age = devices.names(session), settings.min_age_seconds
        self._at: dict[datetime, tuple[Compiler, Clause]] = {}

    def clauses(self, policy: Policy, *, now: datetime) -> Compiled:
        """A policy's own clauses, the keep-policies' and the holds', over `store.tables.chats`.

        Raises chat_policies.UnknownDeviceError when it, or a keep-policy, names a device that the account does not have.
        """
        if now not in self._at:
            compiler = Compiler(self.keeps, chats, now=now, min_age=self._min_age, devices=self._devices)
            self._at[now] = compiler, holds.clause(chats, now=now)
        compiler, hold = self._at[now]
        compiled = compiler.request() if policy is ON_REQUEST else compiler.policy(policy)
        return compiled.with_clauses(hold)


def clauses(
    session: Session,
    policy: Policy,
    settings: Settings,
    *,
    now: datetime,
    keeps: Sequence[Policy] | None = None,
) -> Compiled:
    """The clauses of one policy; see `Rules`."""
    return Rules(session, settings, keeps).clauses(policy, now=now)


def fresh(session: Session, settings: Settings, policy: Policy, *, now: datetime) -> Clause:
    """True for chats of devices whose data is fresh enough for this policy to delete by."""
    return Clause(
        name="fresh",
        words="synced recently enough",
        sql=chats.c.device_id.in_(sorted(fresh_ids(session, settings, policy, now=now))),
        wanted=True,
        facts=(),
    )


def fresh_ids(session: Session, settings: Settings, policy: Policy, *, now: datetime) -> set[int]:
    """Row ids of the devices whose data is fresh enough for this policy to delete by."""
    return {each.id for each in devices.load(session) if is_fresh(each, settings, policy, now=now)}


def is_fresh(device: Device, settings: Settings, policy: Policy, *, now: datetime) -> bool:
    """Whether its data is fresh enough for this policy to delete by.

    The one exception to law 1: on a device that the policy no longer waits for, only the sync has to be fresh.
    """

    def recent(at: datetime | None) -> bool:
        return devices.is_fresh(at, now=now, freshness=settings.freshness_seconds)

    return (
        device.usable
        and recent(device.last_full_sync_at)
        and (recent(device.last_online_at) or given_up(device, policy, now=now))
    )


def given_up(device: Device, policy: Policy, *, now: datetime) -> bool:
    """Whether the policy waits no longer for this device to come online: offline for longer than its `offline_grace`.

    Only the session may be in the way. A device that was never seen online is waited for: not enough is known.
    """
    grace = None if policy.delete is None else policy.delete.offline_grace
    return (
        grace is not None
        and device.usable
        and not device.online
        and device.blocked_reason is None
        and device.last_online_at is not None
        and now - device.last_online_at >= grace
    )
