"""Devices and chats in the API's own spelling, for a `World`."""

from datetime import datetime
from typing import Any

Record = dict[str, Any]


def api_time(moment: datetime) -> str:
    """An instant as the API writes it: UTC, milliseconds, Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def device_record(
    device: str, *, alias: str = "Support", phone: str = "+447700900000", product: str = "io"
) -> Record:
    """A number that works; `product` other than `io` is one without the Platform plan."""
    return {
        "id": device,
        "alias": alias,
        "phone": phone,
        "wid": f"{phone.removeprefix('+')}@c.us",
        "status": "operative",
        "connector": "web",
        "session": {"status": "online"},
        "billing": {"subscription": {"product": product, "status": "active"}},
        "settings": {"retentionPolicy": "plan_defaults"},
    }


def chat_record(wid: str, *, last_message_at: datetime, **fields: object) -> Record:
    """A one-to-one chat, active and read, whose last message came in; `fields` are added or replaced as they are."""
    moment = api_time(last_message_at)
    return {
        "id": wid,
        "type": "chat",
        "status": "active",
        "waStatus": "active",
        "lastMessageAt": moment,
        "lastInboundMessageAt": moment,
        "labels": [],
        "meta": {
            "unreadCount": 0,
            "isUnread": False,
            "isPinned": False,
            "isArchived": False,
            "isLocked": False,
        },
        **fields,
    }
