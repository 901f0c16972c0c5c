"""What the service answers when nothing is scripted: its routes, and what a call does to the world."""

import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any
from urllib.parse import unquote

from chat_hygiene.providers.fake.messages import Answer, Call, error_answer, json_answer
from chat_hygiene.providers.fake.records import Record, api_time
from chat_hygiene.providers.fake.world import Chat, World

PREFIX = "/v1"
_SORTS: dict[str, tuple[Callable[[Record], Any], bool]] = {
    "lastMessageAt:desc": (lambda record: record.get("lastMessageAt") or "", True),
    "lastMessageAt:asc": (lambda record: record.get("lastMessageAt") or "", False),
    "unreadCount:desc": (lambda record: record.get("meta", {}).get("unreadCount") or 0, True),
    "name:asc": (lambda record: record.get("name") or "", False),
    "name:desc": (lambda record: record.get("name") or "", True),
}


def routed(path: str) -> tuple[str, str | None, str | None]:
    """Route name, device and chat id of a path as it stood in the request line; an empty name for an unknown one."""
    if not path.startswith(f"{PREFIX}/"):
        return "", None, None
    # Split before unquoting: an id may hold a quoted slash.
    match [unquote(part) for part in path.removeprefix(f"{PREFIX}/").split("/")]:
        case ["devices"]:
            return "devices", None, None
        case ["webhooks"]:
            return "webhooks", None, None
        case ["devices", device]:
            return "device", device, None
        case ["chat", device, "chats"]:
            return "chats", device, None
        case ["chat", device, "chats", wid]:
            return "chat", device, wid
    return "", None, None


def respond(world: World, call: Call) -> Answer:
    """Carries the call out and answers it. The caller holds the world's lock."""
    if not call.authorized:
        return error_answer(401, "error:unauthorized", "Invalid API token")
    match call.method, call.route:
        case "GET", "devices":
            return _page(call, world.devices.values())
        case ("GET", "device" | "chats" | "chat") | ("DELETE", "chat"):
            return _of_device(world, call)
        case "GET", "webhooks":
            return json_answer(200, world.webhooks)
        case "POST", "webhooks":
            return _new_webhook(world, call)
        case _, "":
            return error_answer(404, "error:route", "Not found")
    return error_answer(405, "error:method", "Method not allowed")


def _of_device(world: World, call: Call) -> Answer:
    device = world.devices.get(call.device or "")
    if device is None:
        return error_answer(404, "error:device", "Device not found")
    if call.route == "device":
        return json_answer(200, device)
    if device["billing"]["subscription"]["product"] != "io":
        return error_answer(world.no_plan_status, "error:plan", "The device has no Platform plan")
    if call.route == "chats":
        return _listing(world, call)
    chat = world.stored_chat(call.device or "", call.wid or "")
    if chat is None:
        return _no_chat()
    return _delete(world, call, device, chat) if call.method == "DELETE" else _single(world, chat)


def _listing(world: World, call: Call) -> Answer:
    device, sort, status = call.device or "", call.query.get("sort"), call.query.get("status")
    chats: Iterable[Chat] = world.stored(device)
    if sort is not None:
        if sort not in _SORTS:
            return error_answer(400, "error:sort", "Unknown sort order")
        key, backwards = _SORTS[sort]
        chats = world.ordered(device, sort, key, backwards=backwards)
    span = _span(call)
    if status is None and span is not None and isinstance(chats, list) and world.is_whole(device):
        # Nothing is to be left out on the way to the page, and the way may be a million chats long.
        return json_answer(200, [chat.record for chat in chats[span]])
    shown = (record for chat in chats if (record := _shown(world, chat)) is not None)
    return _page(call, (record for record in shown if status is None or record.get("status") == status))


def _page(call: Call, records: Iterable[Record]) -> Answer:
    span = _span(call)
    if span is None:
        return error_answer(400, "error:page", "Bad page or size")
    return json_answer(200, list(islice(records, span.start, span.stop)))


def _span(call: Call) -> slice | None:
    page, size = call.query.get("page", "0"), call.query.get("size", "20")
    if not (page.isdecimal() and size.isdecimal() and int(size) > 0):
        return None
    return slice(int(page) * int(size), (int(page) + 1) * int(size))


def _single(world: World, chat: Chat) -> Answer:
    record = _shown(world, chat)
    return _no_chat() if record is None else json_answer(200, record)


def _shown(world: World, chat: Chat) -> Record | None:
    if chat.on_platform:
        return chat.record
    if world.removed_chats == "gone":
        return None
    return {**chat.record, "status": "removed"} | ({} if chat.in_whatsapp else {"waStatus": "removed"})


def _delete(world: World, call: Call, device: Record, chat: Chat) -> Answer:
    flags = _flags(call)
    if flags is None:
        return error_answer(400, "error:body", "whatsapp and force are booleans, and force needs whatsapp")
    from_whatsapp, force = flags
    # What is removed but still shown can be asked for again, as long as WhatsApp has it.
    if _shown(world, chat) is None or not (chat.on_platform or (from_whatsapp and chat.in_whatsapp)):
        return _no_chat()
    if from_whatsapp:
        trouble = _whatsapp_trouble(device, chat)
        if trouble is None:
            chat.in_whatsapp = False
        elif not force:
            return trouble
    world.remove(call.device or "", chat)
    chat.record["statusUpdatedAt"] = api_time(world.now())
    return json_answer(200, {"id": call.wid, "status": "removed"})


def _whatsapp_trouble(device: Record, chat: Chat) -> Answer | None:
    if device["session"]["status"] != "online":
        return error_answer(503, "error:session", "The WhatsApp session is not online")
    if chat.refused:
        return error_answer(400, "error:whatsapp", "WhatsApp refused to delete the chat")
    return None


def _flags(call: Call) -> tuple[bool, bool] | None:
    body = _body(call)
    if body is None:
        return None
    match body.get("whatsapp", False), body.get("force", False):
        case (bool() as from_whatsapp, bool() as force) if from_whatsapp or not force:
            return from_whatsapp, force
    return None


def _body(call: Call) -> dict[str, Any] | None:
    try:
        body: Any = json.loads(call.body) if call.body else {}
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _new_webhook(world: World, call: Call) -> Answer:
    body = _body(call)
    match body:
        case {"name": str(name), "url": str(url), "events": [str(), *_] as events} if 0 < len(name) <= 30:
            pass
        case _:
            return error_answer(400, "error:body", "a webhook has a name of 1 to 30, a url, and events")
    if any(webhook["url"] == url for webhook in world.webhooks):
        return error_answer(409, "error:webhook", "This URL is registered already")
    made = f"6a7b8c9d0e1f2a3b4c5d{len(world.webhooks) + 1:04x}"
    world.webhooks.append({"id": made, "name": name, "url": url, "events": events, "status": "active"})
    return json_answer(201, world.webhooks[-1])


def _no_chat() -> Answer:
    return error_answer(404, "error:chat", "Chat not found")
