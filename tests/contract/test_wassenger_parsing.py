"""Wassenger's JSON, from the vendor's own material to the oddest that its model file allows."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_hygiene.core.errors import BadAnswerError
from chat_hygiene.core.facts import ChatFacts, DeviceFacts
from chat_hygiene.providers.wassenger_parse import parse_chat, parse_device, readable_labels

DATA = Path(__file__).parent / "data"
MODELS = json.loads((DATA / "wassenger_models.json").read_text(encoding="utf-8"))
WEBHOOK = json.loads((DATA / "wassenger_message_in.json").read_text(encoding="utf-8"))

TEXT = st.text() | st.text(st.characters(categories=["Cs", "Cc", "Lu"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ODD_INSTANTS = [
    "2026-02-30T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01",
    "now",
]


def of_model(model: dict) -> st.SearchStrategy:
    """A value of the model: now and then of another type, and each property of an object may be absent."""
    match model:
        case {"properties": dict() as properties}:
            parts = {name: of_model(part) for name, part in properties.items()}
            rightly = st.fixed_dictionaries({}, optional=parts)
        case {"items": dict() as items}:
            rightly = st.lists(of_model(items), max_size=2)
        case {"enum": list() as words}:
            rightly = st.sampled_from(words)
        case {"format": "date-time"}:
            rightly = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | st.sampled_from(
                ODD_INSTANTS
            )
        case {"type": "string"}:
            rightly = TEXT
        case {"type": "boolean"}:
            rightly = st.booleans()
        case {"type": "number"}:
            rightly = st.integers() | st.floats()
        case _:
            rightly = st.dictionaries(TEXT, JSON, max_size=2)
    return st.one_of(rightly, rightly, rightly, JSON)


def usable(facts: ChatFacts | DeviceFacts) -> None:
    """Every value can be stored on both engines: right type, UTC, no NUL, no lone surrogate."""
    for name in facts.__slots__:
        value = getattr(facts, name)
        for text in value if isinstance(value, tuple) else [value]:
            if isinstance(text, str):
                assert "\x00" not in text
                text.encode()
            else:
                assert text is None or isinstance(text, bool) or text.utcoffset().total_seconds() == 0


@given(st.fixed_dictionaries({"id": st.just("1@c.us"), "labels": JSON}) | JSON, of_model(MODELS["ioChat"]))
def test_a_chat_of_the_vendors_model_parses_whatever_is_absent_or_of_another_type(more, chat):
    chat = {**chat, **more} if isinstance(chat, dict) and isinstance(more, dict) else chat
    try:
        facts = parse_chat(chat)
    except BadAnswerError as error:
        assert "no usable id" in str(error)  # noqa: PT017 - both ways are right, but only with this reason
        return
    usable(facts)
    assert facts.wid in (chat.get("id"), chat.get("wid"))
    readable_labels(chat)


@given(of_model(MODELS["device"]))
def test_a_device_of_the_vendors_model_parses_whatever_is_absent_or_of_another_type(device):
    try:
        facts = parse_device(device)
    except BadAnswerError as error:
        assert "no usable id" in str(error)  # noqa: PT017
        return
    usable(facts)


@pytest.mark.parametrize("name", MODELS["ioChat"]["properties"])
def test_each_property_of_the_model_may_be_of_any_type(name):
    for value in (
        None,
        True,
        0,
        -1,
        10**400,
        1e308,
        float("nan"),
        "",
        "x",
        [],
        [[]],
        [None],
        {},
        {"id": 5},
        {"a": {}},
    ):
        usable(
            parse_chat({"wid": "1@c.us", name: value} if name != "wid" else {"id": "1@c.us", "wid": value})
        )


def test_the_vendors_sample_payload_parses():
    assert parse_chat(WEBHOOK["data"]["chat"]) == ChatFacts(
        wid="1234567890@c.us",
        kind="chat",
        name="John Wick",
        status="active",
        whatsapp_status="active",
        status_updated_at=datetime(2022, 8, 23, 8, 40, 45, 722000, tzinfo=UTC),
        first_message_at=datetime(2022, 8, 19, 10, 59, 8, tzinfo=UTC),
        last_message_at=datetime(2022, 12, 15, 20, tzinfo=UTC),
        last_inbound_at=datetime(2022, 12, 15, 22, tzinfo=UTC),
        last_outbound_at=datetime(2022, 12, 15, 20, tzinfo=UTC),
        assigned=True,
        agent="5f71e36254800f533ab79148",
        labels=("sales", "new-customer"),
    )
    assert parse_device(WEBHOOK["device"]) == DeviceFacts(device="61b37a069cba0c15d6c89757", alias="Demo")


def test_of_a_chat_with_nothing_but_its_id_everything_is_unknown():
    assert parse_chat({"id": "1@c.us"}) == ChatFacts(wid="1@c.us")
    assert parse_chat({"wid": "1@c.us"}) == ChatFacts(wid="1@c.us")
    assert parse_device({"id": "d"}) == DeviceFacts(device="d")


@pytest.mark.parametrize(
    "wid", [None, "", 5, "a\x00b", "a\nb", "\ud800", "x" * 257, ["1@c.us"], {}, "a\x7fb", "a\x85b"]
)
def test_an_object_without_a_usable_id_is_an_error_that_does_not_show_it(wid):
    for parse in (parse_chat, parse_device):
        with pytest.raises(BadAnswerError, match=r"no usable id$"):
            parse({"id": wid})
    assert parse_chat({"id": wid, "wid": "1@c.us"}).wid == "1@c.us"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"type": "group", "kind": "chat"}, {"kind": "group"}),
        ({"kind": "channel"}, {"kind": "channel"}),
        ({"type": "user"}, {"kind": "chat"}),
        ({"type": 3}, {"kind": None}),
        ({"status": "Resolved"}, {"status": None}),
        ({"status": 60, "waStatus": False}, {"status": None, "whatsapp_status": None}),
        ({"waStatus": "removed"}, {"whatsapp_status": "removed"}),
        ({"status": "muted"}, {"muted": True}),
        ({"status": "muted", "meta": {"isChatMuted": False}}, {"muted": True}),
        ({"status": "active", "meta": {"isChatMuted": False}}, {"muted": False}),
        ({"status": "active"}, {"muted": None, "archived": None}),
        ({"status": "archived", "meta": {"isArchived": False}}, {"archived": True}),
        ({"meta": {"isArchived": False, "isLocked": True}}, {"archived": False, "locked": True}),
        ({"meta": {"isUnread": False, "unreadCount": 2}}, {"unread": True}),
        ({"meta": {"isUnread": True, "unreadCount": 0}}, {"unread": True}),
        ({"meta": {"unreadCount": 0}}, {"unread": False}),
        ({"meta": {"unreadCount": -1}}, {"unread": True}),
        ({"meta": {"isUnread": False}}, {"unread": False}),
        ({"meta": {"isUnread": "no", "unreadCount": True}}, {"unread": None}),
        ({"meta": {"unreadCount": float("nan")}}, {"unread": None}),
        ({"meta": {"isPinned": False, "isChatPinned": True}}, {"pinned": True}),
        ({"meta": {"isChatPinned": False}}, {"pinned": False}),
        ({"meta": {"isPinned": 1}}, {"pinned": None}),
        ({"owner": {"agent": {"_id": "a1"}}}, {"assigned": True, "agent": "a1"}),
        ({"owner": {"agent": {"id": "a2", "_id": "a1"}}}, {"assigned": True, "agent": "a2"}),
        ({"owner": {"agent": None}}, {"assigned": False, "agent": None}),
        ({"owner": {"agent": ""}}, {"assigned": False, "agent": None}),
        ({"owner": {"agent": {}}}, {"assigned": None, "agent": None}),
        ({"owner": {"agent": 7}}, {"assigned": None, "agent": None}),
        ({"owner": {"department": "d1"}}, {"assigned": None, "department": "d1"}),
        ({"owner": None}, {"assigned": None}),
        ({"contact": {"displayName": "Ana B", "name": "Ana"}}, {"name": "Ana B"}),
        ({"name": "", "contact": {"name": "Ana"}}, {"name": "Ana"}),
        ({"name": "a\x00b\ud800"}, {"name": "a\ufffdb\ufffd"}),
        ({"lastInboundAt": "2026-01-01T00:00:00Z"}, {"last_inbound_at": datetime(2026, 1, 1, tzinfo=UTC)}),
        (
            {"lastOutboundAt": "2026-01-01T02:00:00+02:00"},
            {"last_outbound_at": datetime(2026, 1, 1, tzinfo=UTC)},
        ),
        ({"lastMessageAt": "2026-01-01T00:00:00"}, {"last_message_at": None}),
        ({"lastMessageAt": "2026-01-01"}, {"last_message_at": None}),
        ({"lastMessageAt": 1767225600}, {"last_message_at": None}),
        ({"lastMessageAt": "0001-01-01T00:00:00+14:00"}, {"last_message_at": None}),
        ({"date": "2026-01-01T00:00:00Z", "deletedAt": "2026-01-01T00:00:00Z"}, {"last_message_at": None}),
        ({"labels": []}, {"labels": ()}),
        ({"labels": None}, {"labels": None}),
        ({"labels": ["vip", {"name": "legal", "color": "red"}, "vip"]}, {"labels": ("vip", "legal")}),
        ({"labels": ["cafe\u0301", "caf\xe9"]}, {"labels": ("caf\xe9",)}),
        ({"labels": ["a\x00\udfff"]}, {"labels": ("a\ufffd\ufffd",)}),
        ({"labels": "vip"}, {"labels": None}),
        ({"labels": ["vip", None]}, {"labels": None}),
        ({"labels": [{"title": "vip"}]}, {"labels": None}),
        ({"unheard-of": {"deep": []}}, {}),
    ],
)
def test_a_field_is_read_as_the_vendor_means_it_and_what_cannot_be_used_is_unknown(record, expected):
    facts = parse_chat({"id": "1@c.us", **record})
    assert {name: getattr(facts, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("labels", "readable"),
    [
        ([], True),
        (["a", {"name": "b"}], True),
        (None, True),
        ("vip", False),
        ([None], False),
        ([{"id": 1}], False),
        ({}, False),
    ],
)
def test_labels_that_cannot_all_be_read_are_told_from_no_labels(labels, readable):
    assert readable_labels({"id": "1@c.us", "labels": labels}) is readable
    assert readable_labels({"id": "1@c.us"})


def test_a_device_is_read_with_what_decides_about_deleting():
    facts = parse_device(
        {
            "id": "d",
            "alias": "Support",
            "status": "operative",
            "session": {"status": "online", "lastSyncAt": "2026-05-04T03:00:00.000Z"},
            "billing": {"subscription": {"product": "io"}},
            "settings": {"retentionPolicy": "10d"},
        }
    )
    assert facts == DeviceFacts(
        device="d",
        alias="Support",
        status="operative",
        session_status="online",
        product="io",
        retention_policy="10d",
    )
    assert facts.online
