"""The one way from a stored policy to clauses: preview, explain, evaluation and the gate all ask here."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from chat_hygiene.settings import Settings
from chat_hygiene.store import devices, holds, policies
from chat_hygiene.store.tables import chats
from chat_policies import Clause, Compiled, Policy, compile_policy


def clauses(
    session: Session,
    policy: Policy,
    settings: Settings,
    *,
    now: datetime,
    keeps: Sequence[Policy] | None = None,
) -> Compiled:
    """A policy's own clauses, the keep-policies' and the holds', over `store.tables.chats`.

    `keeps` stands in for the stored keep-policies, for a look at a document that is not stored yet.

    Raises chat_policies.UnknownDeviceError when it, or a keep-policy, names a device that the account does not have.
    """
    compiled = compile_policy(
        policy,
        policies.keeps(session) if keeps is None else keeps,
        chats,
        now=now,
        min_age=settings.min_age_seconds,
        devices=devices.names(session),
    )
    return compiled.with_clauses(holds.clause(chats, now=now))


def fresh(session: Session, settings: Settings, *, now: datetime) -> Clause:
    """True for chats of devices whose data is fresh enough to delete by."""
    ids = devices.fresh_ids(session, now=now, freshness=settings.freshness_seconds)
    return Clause(
        name="fresh",
        words="synced recently enough",
        sql=chats.c.device_id.in_(sorted(ids)),
        wanted=True,
        facts=(),
    )
