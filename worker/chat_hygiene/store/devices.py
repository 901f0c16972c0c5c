"""The numbers ("devices"): what the provider says of them. Their sweeps and breakers stand in the same row."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, func, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.core.facts import DeviceFacts
from chat_hygiene.settings import MAX_CLOCK_SKEW
from chat_hygiene.store.breakers import GONE
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.tables import devices
from chat_hygiene.store.types import Instant

UNSEEN = timedelta(hours=1)
"""Between two looks further apart than this a number may have been offline."""


@dataclass(frozen=True, slots=True)
class Device:
    """One row, as the pipeline needs it.

    Attributes:
        online_since: since when every look found it online, and none was further from the next than `UNSEEN`.
    """

    id: int
    device: str
    alias: str | None
    status: str | None
    session_status: str | None
    product: str | None
    retention_policy: str | None
    last_online_at: datetime | None
    online_since: datetime | None
    last_seen_at: datetime | None
    sweep: int
    sweep_started_at: datetime | None
    sweep_page: int | None
    last_full_sync_at: datetime | None
    last_sync_at: datetime | None
    sync_failed_at: datetime | None
    paused_until: datetime | None
    blocked_reason: str | None
    breaker_until: datetime | None

    @property
    def usable(self) -> bool:
        """Operative, and not known to lack the Platform plan that the chat routes need."""
        return self.status == "operative" and self.product in {None, "io"}

    @property
    def online(self) -> bool:
        """Whether WhatsApp itself could be reached through it when it was last read."""
        return self.usable and self.session_status == "online"

    @property
    def fresh_as_of(self) -> datetime | None:
        """The older of its last good complete sync and the last time its session was online (law 1)."""
        if self.last_full_sync_at is None or self.last_online_at is None:
            return None
        return min(self.last_full_sync_at, self.last_online_at)

    def waits_until(self, now: datetime) -> datetime | None:
        """When the provider may be called again, if not now."""
        ends = [end for end in (self.paused_until, self.breaker_until) if end is not None and end > now]
        return max(ends, default=None)


# Built once: every call asks.
_ALL = select(*(devices.c[name] for name in Device.__slots__)).order_by(devices.c.id)
_SOME = _ALL.where(devices.c.id.in_(bindparam("ids", expanding=True)))


def load(session: Session, ids: Collection[int] | None = None) -> list[Device]:
    """All devices, or those with these row ids, by row id."""
    rows = session.execute(_ALL) if ids is None else session.execute(_SOME, {"ids": list(ids)})
    return [Device(*row) for row in rows]


def names(session: Session) -> dict[str, int]:
    """Ids and aliases to row ids; an id wins over an alias, and an alias that two devices share names neither."""
    rows = session.execute(select(devices.c.id, devices.c.device, devices.c.alias)).all()
    aliases: dict[str, list[int]] = {}
    for row in rows:
        if row.alias:
            aliases.setdefault(row.alias, []).append(row.id)
    found = {alias: ids[0] for alias, ids in aliases.items() if len(ids) == 1}
    return found | {row.device: row.id for row in rows}


def fresh_ids(session: Session, *, now: datetime, freshness: timedelta) -> set[int]:
    """Row ids of the devices whose data is fresh enough to delete by."""
    return {
        device.id
        for device in load(session)
        if device.usable
        and is_fresh(device.last_full_sync_at, now=now, freshness=freshness)
        and is_fresh(device.last_online_at, now=now, freshness=freshness)
    }


def is_fresh(at: datetime | None, *, now: datetime, freshness: timedelta) -> bool:
    """Whether an instant is recent. One of the future was written by a clock that ran ahead: it says nothing."""
    return at is not None and -MAX_CLOCK_SKEW <= now - at <= freshness


def record(session: Session, provider: str, found: Sequence[DeviceFacts], *, now: datetime) -> list[int]:
    """Stores what the provider says of its devices; returns their row ids in the same order."""
    known = dict(
        session.execute(select(devices.c.device, devices.c.id).where(devices.c.provider == provider)).all()
    )
    for facts in found:
        values: dict[str, Any] = {
            # A person named it: it may hold a number, and views show it.
            "alias": None if facts.alias is None else mask_numbers(facts.alias),
            "status": facts.status,
            "session_status": facts.session_status,
            "product": facts.product,
            "retention_policy": facts.retention_policy,
            "last_seen_at": now,
            "gone_since": None,
            "online_since": None,
        }
        if facts.online:
            seen = devices.c.last_online_at >= now - UNSEEN
            since = func.coalesce(devices.c.online_since, literal(now, Instant()))
            values |= {
                "last_online_at": now,
                "online_since": case((seen, since), else_=literal(now, Instant())),
            }
        if facts.device in known:
            session.execute(update(devices).where(devices.c.id == known[facts.device]).values(values))
        else:
            # Somebody else may list the account at this moment, too.
            insert = (postgresql if session.get_bind().dialect.name == "postgresql" else sqlite).insert
            row = session.execute(
                insert(devices)
                .values(
                    provider=provider,
                    device=facts.device,
                    **values | {"online_since": now if facts.online else None},
                )
                .on_conflict_do_update(index_elements=["provider", "device"], set_=values)
                .returning(devices.c.id)
            )
            known[facts.device] = row.scalar_one()
    return [known[facts.device] for facts in found]


def lock(session: Session, provider: str) -> None:
    """Locks all of a provider's rows in order of their ids, as everybody does who changes several."""
    rows = select(devices.c.id).where(devices.c.provider == provider).order_by(devices.c.id)
    session.execute(rows.with_for_update(key_share=True)).all()


def forget_missing(session: Session, provider: str, seen: Sequence[int], *, now: datetime) -> None:
    """A device that the account no longer lists is neither operative nor online, and gone since the first such listing."""
    gone_since = func.coalesce(devices.c.gone_since, literal(now, Instant()))
    session.execute(
        update(devices)
        .where(devices.c.provider == provider, devices.c.id.not_in(seen))
        .values(status="removed", session_status=None, online_since=None, gone_since=gone_since)
    )


def any_expected(session: Session, provider: str) -> bool:
    """Whether a device should be in the next listing: it was there in the last, and did not itself answer 404 since."""
    query = select(devices.c.id).where(
        devices.c.provider == provider,
        devices.c.status == "operative",
        devices.c.blocked_reason.is_distinct_from(GONE),
    )
    return session.execute(query.limit(1)).one_or_none() is not None
