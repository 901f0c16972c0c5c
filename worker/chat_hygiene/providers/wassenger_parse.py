"""Wassenger's JSON to our facts. The only place that knows its field names.

Every field is optional and may be of any type: what cannot be used is unknown (None), and unknown never deletes. Only
three things are errors: an object without a usable id, in `readable_labels` a label list that cannot be read, and in
`retention` an unknown spelling.
"""

import math
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeGuard

from chat_hygiene.core.errors import BadAnswerError
from chat_hygiene.core.facts import ChatFacts, DeviceFacts
from chat_hygiene.providers.base import Notice, Webhook

MAX_ID = 256
MAX_STATE = 64

_ENDLESS = {None, "never", "plan_defaults"}
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

# PostgreSQL stores neither, and UTF-8 cannot hold a lone surrogate.
_STATE = re.compile(r"(?!.*[0-9]{5})[a-z][a-z0-9_ .-]*")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse_device(item: object) -> DeviceFacts:
    """One device. Raises BadAnswerError when it has no usable id."""
    record = _object(item)
    device = record.get("id")
    if not _usable_id(device):
        raise BadAnswerError("a number in the answer has no usable id")
    session = _object(record.get("session"))
    subscription = _object(_object(record.get("billing")).get("subscription"))
    return DeviceFacts(
        device=device,
        alias=_text(record.get("alias")),
        status=_state(record.get("status")),
        session_status=_state(session.get("status")),
        product=_state(subscription.get("product")),
        retention_policy=_text(_object(record.get("settings")).get("retentionPolicy")),
    )


def parse_chat(item: object) -> ChatFacts:
    """One chat. Raises BadAnswerError when it has no usable id.

    Labels that cannot be read come out as None, which leaves the stored ones as they are: a listing goes on. The fresh
    read before a deletion asks `readable_labels` as well, because a chat whose protection cannot be read must stay.
    `deletedAt` (set on living chats too) and `stats` (often 0) are never read.
    """
    record = _object(item)
    wid = record.get("id")
    if not _usable_id(wid):
        wid = record.get("wid")
        if not _usable_id(wid):
            raise BadAnswerError("a chat in the answer has no usable id")
    meta, owner = _object(record.get("meta")), _object(record.get("owner"))
    status, agent = _state(record.get("status")), _reference(owner.get("agent"))
    kind = _text(record.get("type")) or _text(record.get("kind"))
    # In the order of its fields: by their names it takes a fifth longer.
    return ChatFacts(
        wid,
        "chat" if kind == "user" else kind,
        _text(record.get("name")) or _name(_object(record.get("contact"))),
        status,
        _state(record.get("waStatus")),
        _instant(record.get("statusUpdatedAt")),
        _instant(record.get("firstMessageAt")),
        _instant(record.get("lastMessageAt")),
        _instant(record.get("lastInboundMessageAt")) or _instant(record.get("lastInboundAt")),
        _instant(record.get("lastOutboundMessageAt")) or _instant(record.get("lastOutboundAt")),
        _any_true(_flag(meta.get("isUnread")), _unread_count(meta.get("unreadCount"))),
        _any_true(_flag(meta.get("isPinned")), _flag(meta.get("isChatPinned"))),
        status == "muted" or _flag(meta.get("isChatMuted")),
        status == "archived" or _flag(meta.get("isArchived")),
        _flag(meta.get("isLocked")),
        True if agent is not None else _unassigned(owner),
        agent,
        _reference(owner.get("department")),
        _labels(record.get("labels")),
    )


def parse_notice(event: object) -> Notice | None:
    """What the body of a webhook tells; None when it tells nothing that we follow, or of no usable number.

    The vendor documents no body but that of an incoming message, so a chat is looked for wherever one may stand, and
    where none is found the whole number counts as changed.
    """
    body = _object(event)
    name, device = body.get("event"), _object(body.get("device")).get("id")
    if not isinstance(name, str) or not _usable_id(device):
        return None
    if name == "number:session":
        return Notice(device, None)
    if name != "chat:update" and not name.startswith("message:"):
        return None
    data = _object(body.get("data"))
    chat = _object(data.get("chat"))
    places = [chat.get("id"), chat.get("wid"), data.get("wid")]
    if name == "chat:update":
        places.append(data.get("id"))  # of any other event it is the message's
    return Notice(device, next((wid for wid in places if _usable_id(wid)), None))


def parse_webhook(item: object) -> Webhook:
    """One registered webhook. Raises BadAnswerError when it has no usable id."""
    record = _object(item)
    key = record.get("id")
    if not _usable_id(key):
        raise BadAnswerError("a webhook in the answer has no usable id")
    events = record.get("events")
    status = _state(record.get("status"))
    return Webhook(
        id=key,
        name=_text(record.get("name")),
        url=_text(record.get("url")),
        events=tuple(name for each in events if (name := _text(each))) if isinstance(events, list) else (),
        active=_flag(record.get("active")) if status is None else status in {"active", "enabled"},
    )


def retention(spelling: str | None) -> timedelta | None:
    """How long the vendor keeps a number's data; None for ever, or as long as its plan says, which no answer shows.

    Raises ValueError for a spelling that is not known.
    """
    if spelling in _ENDLESS:
        return None
    written = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", spelling or "")
    if written is None:
        raise ValueError("the retention has an unknown spelling")
    return int(written[1]) * _UNITS[written[2]]


def readable_labels(item: object) -> bool:
    """Whether the chat's labels could all be read, or it has no such field."""
    labels = _object(item).get("labels")
    return labels is None or _labels(labels) is not None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _usable_id(value: object) -> TypeGuard[str]:
    return (
        isinstance(value, str)
        and 1 <= len(value) <= MAX_ID
        # What is printable holds neither; the rest is looked at closely.
        and (value.isprintable() or not any(unicodedata.category(each) in {"Cc", "Cs"} for each in value))
    )


def _text(value: object) -> str | None:
    return _storable(value) or None if isinstance(value, str) else None


def _storable(text: str) -> str:
    # What is printable holds neither.
    return text if text.isprintable() else _UNSTORABLE.sub("\ufffd", text)


def _name(contact: dict[str, Any]) -> str | None:
    return _text(contact.get("displayName")) or _text(contact.get("name"))


def _state(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= MAX_STATE and _is_state(value) else None


@lru_cache(maxsize=256)
def _is_state(text: str) -> bool:
    # The API's states are few, and lower-case words; anything else, a phone number above all, is a state we do not know.
    return _STATE.fullmatch(text) is not None


def _instant(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is UTC:
            return moment
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _any_true(*flags: bool | None) -> bool | None:
    return True if True in flags else False if False in flags else None


def _unread_count(value: object) -> bool | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    # WhatsApp counts -1 in a chat that somebody marked as unread by hand.
    return value != 0


def _reference(value: object) -> str | None:
    """The id in an id, or in an object that the API has filled in."""
    if isinstance(value, dict):
        value = next((part for part in (value.get("id"), value.get("_id")) if isinstance(part, str)), None)
    return _text(value)


def _unassigned(owner: dict[str, Any]) -> bool | None:
    """False for an owner without an agent in so many words."""
    return False if "agent" in owner and owner["agent"] in (None, "") else None


def _labels(value: object) -> tuple[str, ...] | None:
    """In NFC, in order, once each; None when absent, or when one of them cannot be read."""
    if not isinstance(value, list):
        return None
    named = [item.get("name") if isinstance(item, dict) else item for item in value]
    names = [name for name in named if isinstance(name, str)]
    return _in_form(*names) if len(names) == len(value) else None


@lru_cache(maxsize=1024)
def _in_form(*labels: str) -> tuple[str, ...]:
    # An account has few sets of labels, and they come again and again.
    return tuple(dict.fromkeys(unicodedata.normalize("NFC", _storable(label)) for label in labels))
