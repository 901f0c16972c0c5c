"""Holding: what legal holds a person places, lists and releases.

A hold is in force from its commit on, whatever is still in the queue then: no gate lets a covered job go. Its jobs leave
the list after that, some at a time, so that nobody waits for a large number.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from chat_hygiene.core.errors import UsageError
from chat_hygiene.core.events import Event
from chat_hygiene.pipeline import recheck, seal
from chat_hygiene.providers import registry
from chat_hygiene.store import audit, chats, devices, holds, switches
from chat_hygiene.store.devices import Device
from chat_hygiene.store.holds import Target
from chat_hygiene.store.records import Record
from chat_hygiene.wiring.ledger import Ledger
from chat_hygiene.wiring.naming import wid_of
from chat_hygiene.wiring.operating import UNWRITABLE, check_reason

_CHAT_ID = re.compile(r"[1-9][0-9]{6,14}@c\.us|[0-9][0-9-]*@(g\.us|lid|newsletter|broadcast)")


@dataclass(frozen=True, slots=True)
class Placed:
    """What placing did.

    Attributes:
        holds: those that are in force for it now, as `holds` lists them; `new` are the ids of those that were not there.
        stored: whether any chat is stored under what was named; always for a label and a number.
        cancelled: jobs that were taken off the list.
        at_the_gate: jobs that a worker holds without having called: they are cancelled before they could.
        too_late: jobs whose call is out, or whose call's outcome is not known yet: id, device, chat_ref and chat_hint.
    """

    holds: tuple[Record, ...]
    new: tuple[int, ...]
    stored: bool
    cancelled: int
    at_the_gate: int
    too_late: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Aim:
    """What a hold is to cover. `stored`: whether a chat of it is there already."""

    targets: tuple[Target, ...]
    stored: bool = True


def aim(
    ledger: Ledger,
    *,
    chat: str | None = None,
    label: str | None = None,
    device: str | None = None,
    on: str | None,
) -> Aim:
    """What is meant by one of: a chat (number, chat id or pseudonym), a label, a number; `on`: one number's chats only.

    Raises UsageError when it names nothing, or nothing that could be held.
    """
    with ledger.reading() as session:
        if device is not None:
            return Aim((Target("device", _device_id(session, device)),))
        only = None if on is None else _device_id(session, on)
        if label is not None:
            wanted = unicodedata.normalize("NFC", label)
            if not wanted.strip() or UNWRITABLE.search(wanted):
                raise UsageError("the label is empty or no plain text", fix="write it as the chats have it")
            return Aim((Target("label", only, label=wanted),))
        assert chat is not None  # noqa: S101 - one of the three is given
        return _chat(ledger, session, chat, only)


def _chat(ledger: Ledger, session: Session, chat: str, only: int | None) -> Aim:
    if chat.startswith("chat_"):
        found = [row for row in chats.find(session, [chat]) if only in {None, row["device_id"]}]
        if not found:
            raise UsageError(
                f"no chat {'there ' if only else ''}has the pseudonym {chat}",
                fix="chat-hygiene preview --json shows pseudonyms; a full number can be held before its chat is there",
            )
        return Aim(tuple(map(_target, found)))
    wid = wid_of(chat)
    if not _CHAT_ID.fullmatch(wid):
        raise UsageError(
            "that is neither a phone number with its country code, nor a chat id, nor a pseudonym",
            fix='write a number like "+34 600 111 222", or a pseudonym (chat_…) as preview --json shows it',
        )
    numbers = [each for each in devices.load(session) if only in {None, each.id}]
    if not numbers:
        raise UsageError("no number of the account is known yet", fix="chat-hygiene sync reads them")
    targets, stored = [], False
    for number in numbers:
        there = _stored(ledger, session, number, wid)
        stored = stored or bool(there)
        targets += there or [_to_come(ledger, number, wid)]
    return Aim(tuple(targets), stored)


def _stored(ledger: Ledger, session: Session, number: Device, wid: str) -> list[Target]:
    refs = ledger.context.keys.pseudonyms.refs(registry.DEFAULT, number.device, wid)
    # A row made with a key that is gone is still the same chat.
    return [_target(row) for row in chats.find(session, refs, wid=wid) if row["device_id"] == number.id]


def _target(row: Record) -> Target:
    return Target("chat", row["device_id"], chat_ref=row["chat_ref"], key_id=row["key_id"])


def _to_come(ledger: Ledger, number: Device, wid: str) -> Target:
    """A chat that the number has not: by the pseudonym that it would get."""
    ref, key_id = ledger.context.keys.pseudonyms.ref(registry.DEFAULT, number.device, wid)
    return Target("chat", number.id, chat_ref=ref, key_id=key_id)


def _device_id(session: Session, name: str) -> int:
    known = devices.names(session)
    if name not in known:
        raise UsageError(
            "no number has that id or alias",
            fix=f"known are: {', '.join(known) or 'none yet; chat-hygiene sync reads them'}",
        )
    return known[name]


def place(
    ledger: Ledger, aim: Aim, *, reason: str, until: datetime | None, progress: recheck.Progress
) -> Placed:
    """Places a hold on each target, all or none; one that stands already and lasts as long is left as it is.

    Raises UsageError for a reason that may not stand in the audit.
    """
    check_reason(reason)
    context, new, known = ledger.context, [], []
    with ledger.writing() as session:
        switches.shut_gate(session)
        now, actor = ledger.now(), ledger.settings.actor
        for target in aim.targets:
            if (standing := holds.standing(session, target, until=until, now=now)) is not None:
                known.append(standing)
                continue
            new.append(holds.place(session, target, reason=reason, until=until, now=now, actor=actor))
        for row in holds.listing(session, hold_ids=new, now=now):
            _tell(
                session, Event.HOLD_PLACED, row, {"until": _text(row["until"]), "because": reason}, now, actor
            )
        met = holds.meets(session, aim.targets)
    with ledger.reading() as session:
        # Also of a hold that stands: whoever placed it may have been interrupted.
        waiting = holds.waiting(session, aim.targets)
        rows = holds.listing(session, hold_ids=[*new, *known], now=now)
    cancelled = recheck.held(context, waiting, now=now, progress=progress)
    seal.run(context)
    return Placed(tuple(rows), tuple(new), aim.stored, cancelled, met.at_the_gate, met.too_late)


def release(ledger: Ledger, hold_ids: Sequence[int], *, reason: str) -> list[Record]:
    """Ends active holds, all or none. What they covered and matches again gets a fresh grace: nothing leaves at once.

    Raises UsageError with one line per hold that is not active.
    """
    check_reason(reason)
    with ledger.writing() as session:
        switches.shut_gate(session)
        now, actor = ledger.now(), ledger.settings.actor
        found = _active(session, hold_ids, now=now)
        holds.release(session, hold_ids, now=now, actor=actor)
        for row in found:
            _tell(session, Event.HOLD_RELEASED, row, {"because": reason}, now, actor)
        return holds.listing(session, hold_ids=hold_ids, now=now)


def active(ledger: Ledger, hold_ids: Sequence[int]) -> list[Record]:
    """These holds, to be looked at before they are released. Raises as `release` does."""
    with ledger.reading() as session:
        return _active(session, hold_ids, now=ledger.now())


def listed(
    ledger: Ledger,
    *,
    ended: bool,
    hold_ids: Sequence[int] | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> list[Record]:
    """Active holds, the newest first; with `ended` those that were released or ran out, too; only `hold_ids`, if given.

    `before`: those older than one of them.
    """
    with ledger.reading() as session:
        return holds.listing(
            session, now=ledger.now(), ended=ended, hold_ids=hold_ids, before=before, limit=limit
        )


def _active(session: Session, hold_ids: Sequence[int], *, now: datetime) -> list[Record]:
    found = {row["id"]: row for row in holds.listing(session, hold_ids=hold_ids, now=now)}
    refusals = [
        f"hold {hold_id}: {why}"
        for hold_id in hold_ids
        if (why := _no_release(found.get(hold_id))) is not None
    ]
    if refusals:
        raise UsageError(
            "\n".join(refusals), fix="nothing was changed; chat-hygiene hold list --all shows them"
        )
    return list(found.values())


def _no_release(row: Record | None) -> str | None:
    if row is None:
        return "there is none"
    return {"active": None, "released": "it was released", "over": "its end came"}[row["state"]]


def _tell(
    session: Session, kind: Event, row: Record, more: dict[str, object], now: datetime, actor: str
) -> None:
    detail = {"hold": row["id"], "scope": row["scope"], **more}
    audit.append(
        session,
        kind,
        at=now,
        actor=actor,
        device=row["device"],
        chat_ref=row["chat_ref"],
        detail={name: value for name, value in detail.items() if value is not None},
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
