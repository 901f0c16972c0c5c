"""Incidents: what is wrong now, set against what people were told of.

What is late is no incident of its own: a brake, a stop, a block or old data makes it so, and each of those is one; the digest
counts it. That nobody works at all cannot be told from here: the dead man's switch is for that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from chat_hygiene.core.incidents import Condition, Incident, Kind, Step, step
from chat_hygiene.pipeline.context import Context
from chat_hygiene.store import devices, heartbeats, incidents, switches, troubles
from chat_hygiene.store.devices import Device
from chat_hygiene.store.engine import reading

OFFLINE, UNREAD = "offline", "unread"
"""Why what is known of a number is old: its WhatsApp session was not seen online, or its chats could not be read."""

_DEPARTED = "removed"


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told now, and nobody else tells: incidents that began, that ended, and how many others are open."""

    began: tuple[Incident, ...] = ()
    ended: tuple[Incident, ...] = ()
    others: int = 0

    def __bool__(self) -> bool:
        return bool(self.began or self.ended)


def run(context: Context, *, now: datetime, silence: Mapping[str, timedelta]) -> News:
    """Looks, notes what began and ended, and takes on what is to be told. `silence`: how long each part may be silent."""
    with reading(context.sessions) as session:
        found = {each.key: each for each in look(context, session, now=now, silence=silence)}
        known = incidents.load(session)
    idle = all(step(each, wrong=each.key in found, now=now) is Step.STAY for each in known)
    if idle and found.keys() <= {each.key for each in known}:
        return News()
    with context.sessions.begin() as session:
        return _settle(session, found, now=now)


def told(context: Context, news: News, *, now: datetime) -> None:
    """Somebody was reached."""
    with context.sessions.begin() as session:
        incidents.told(session, [each.key for each in news.began], [each.key for each in news.ended], now=now)


def look(
    context: Context, session: Session, *, now: datetime, silence: Mapping[str, timedelta]
) -> Iterator[Condition]:
    """Everything that is wrong now."""
    for row in troubles.awaiting(session):
        ends = row["expires_at"]
        detail = {
            "policy": row["policy"],
            "run": row["run"],
            "chats": row["chats"],
            "until": None if ends is None else ends.isoformat(),
        }
        yield Condition(Kind.APPROVAL, row["run"], detail)
    if (stop := switches.stopped(session)) is not None:
        yield Condition(Kind.STOPPED, "all", {}, stop.at)
    for device in devices.load(session):
        yield from _of_number(device, context, now=now)
    for row in troubles.failures(session, now=now):
        detail = {"policy": row["policy"], "chats": row["chats"]}
        yield Condition(Kind.FAILURES, row["policy_id"], detail)
    for row in troubles.failed_runs(session):
        detail = {"policy": row["policy"], "run": row["run"]}
        yield Condition(Kind.RUN_FAILED, row["policy_id"], detail, row["since"])
    for row in troubles.debts(session, now=now):
        detail = {"number": row["alias"] or row["device"], "chats": row["chats"]}
        yield Condition(Kind.DEBT, row["device_id"], detail, row["oldest"])
    seen = {each.part: each.at for each in heartbeats.read(session)}
    for part, allowed in silence.items():
        at = seen.get(part)
        if at is None or now - at > allowed:
            yield Condition(Kind.SILENT, part, {"part": part})


def _of_number(device: Device, context: Context, *, now: datetime) -> Iterator[Condition]:
    if device.status == _DEPARTED:
        return
    name = device.alias or device.device
    if device.blocked_reason is not None:
        yield Condition(Kind.BLOCKED, device.id, {"number": name, "why": device.blocked_reason})
    elif device.usable and (old := _old(device, context, now=now)) is not None:
        why, at = old
        yield Condition(Kind.STALE, device.id, {"number": name, "why": why, "never": at is None}, at)


def _old(device: Device, context: Context, *, now: datetime) -> tuple[str, datetime | None] | None:
    """What is too old of a number, and when it was good last; None for never."""
    settings = context.settings
    ages = (
        (OFFLINE, device.last_online_at, settings.freshness_seconds),
        (UNREAD, device.last_sync_at, settings.freshness_seconds),
        (UNREAD, device.last_full_sync_at, 2 * settings.full_sync_interval_seconds),
    )
    old = ((why, at) for why, at, allowed in ages if at is None or now - at > allowed)
    return next(old, None)


def _settle(session: Session, found: Mapping[str, Condition], *, now: datetime) -> News:
    incidents.open_new(session, found.values(), now=now)
    began, ended, others = [], [], 0
    # What others opened meanwhile is here too, and what they tell is put off already.
    for each in incidents.load(session, lock=True):
        condition = found.get(each.key)
        taken = step(each, wrong=condition is not None, now=now)
        match taken:
            case Step.CLOSE:
                incidents.set_closed(session, each.key, now)
            case Step.REOPEN:
                incidents.set_closed(session, each.key, None)
            case Step.FORGET:
                incidents.forget(session, each.key)
            case Step.TELL if each.closed_at is None and condition is not None:
                began.append(incidents.take(session, each, condition.detail, now=now))
            case Step.TELL if _replaced(each, found):
                incidents.forget(session, each.key)
            case Step.TELL:
                ended.append(incidents.take(session, each, _ending(session, each), now=now))
        others += each.told_at is not None and (
            taken is Step.REOPEN or (taken is Step.STAY and each.closed_at is None)
        )
    return News(tuple(began), tuple(ended), others)


def _replaced(incident: Incident, found: Mapping[str, Condition]) -> bool:
    """Whether the policy of a run that awaits no decision any more has another that does: that one is the news."""
    return incident.kind is Kind.APPROVAL and any(
        each.kind is Kind.APPROVAL and each.detail["policy"] == incident.detail["policy"]
        for each in found.values()
    )


def _ending(session: Session, incident: Incident) -> Mapping[str, Any]:
    if incident.kind is not Kind.APPROVAL:
        return incident.detail
    return {**incident.detail, "state": troubles.state_of_run(session, incident.detail["run"])}
