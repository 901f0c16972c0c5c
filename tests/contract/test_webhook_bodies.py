"""What a webhook's body tells: the vendor documents one of them, and the address is known to the world."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_hygiene.core.errors import BadAnswerError
from chat_hygiene.providers.base import Notice, Webhook
from chat_hygiene.providers.wassenger_parse import parse_notice, parse_webhook

DATA = Path(__file__).parent / "data"
WEBHOOK = json.loads((DATA / "wassenger_message_in.json").read_text(encoding="utf-8"))

TEXT = st.text() | st.text(st.characters(categories=["Cs", "Cc", "Lu"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NUMBER = "61b37a069cba0c15d6c89757"


def event(name: str, data: object = None, device: object = NUMBER) -> dict[str, object]:
    return {"id": "m1", "object": "x", "event": name, "device": {"id": device}, "data": data}


def test_the_vendors_message_event_names_number_and_chat():
    assert parse_notice(WEBHOOK) == Notice(NUMBER, "1234567890@c.us")


@pytest.mark.parametrize(
    "data",
    [{"chat": {"id": "a@c.us"}}, {"chat": {"wid": "a@c.us"}}, {"wid": "a@c.us"}, {"chat": {"id": 7}, "wid": "a@c.us"}],
)  # fmt: skip
@pytest.mark.parametrize("name", ["message:in:new", "message:out:ack", "message:reaction", "chat:update"])
def test_a_chat_is_found_wherever_an_event_may_name_it(name, data):
    assert parse_notice(event(name, data)) == Notice(NUMBER, "a@c.us")


def test_the_id_of_a_message_is_not_taken_for_that_of_its_chat():
    assert parse_notice(event("chat:update", {"id": "a@c.us"})) == Notice(NUMBER, "a@c.us")
    assert parse_notice(event("message:update", {"id": "a@c.us"})) == Notice(NUMBER, None)


@pytest.mark.parametrize("name", ["chat:update", "message:in:new"])
@pytest.mark.parametrize("data", [None, [], "a", {}, {"chat": "a"}, {"chat": {"id": "a\nb"}}, {"wid": ["a"]}])
def test_where_no_chat_is_named_the_whole_number_counts_as_changed(name, data):
    assert parse_notice(event(name, data)) == Notice(NUMBER, None)


def test_a_session_is_a_matter_of_its_number():
    assert parse_notice(event("number:session", {"chat": {"id": "a@c.us"}})) == Notice(NUMBER, None)


@pytest.mark.parametrize(
    "name", ["status:update", "group:update", "", "message", "chat:updated", None, 7, ["chat:update"]]
)
def test_other_events_tell_nothing(name):
    assert parse_notice(event(name, {"chat": {"id": "a@c.us"}})) is None


@pytest.mark.parametrize("device", [None, "", "a\0b", "\ud800", 7, {}, "a" * 257])
def test_without_a_usable_number_an_event_tells_nothing(device):
    assert parse_notice(event("chat:update", {"id": "a@c.us"}, device)) is None


@given(JSON)
def test_whatever_a_stranger_sends_is_a_notice_or_nothing(sent):
    for body in (sent, event("chat:update", sent), {"event": "chat:update", "device": sent}):
        notice = parse_notice(body)
        if notice is not None:
            (notice.device + (notice.wid or "")).encode()


@pytest.mark.parametrize(
    ("given", "active"),
    [({"status": "active"}, True), ({"status": "disabled"}, False), ({"active": True}, True), ({"active": "yes"}, None), ({}, None)],
)  # fmt: skip
def test_a_webhook_is_active_when_the_answer_says_so(given, active):
    assert parse_webhook({"id": "w1", **given}) == Webhook("w1", None, None, (), active)


@pytest.mark.parametrize("events", [None, "chat:update", [1, None, ""], {}])
def test_a_webhook_may_be_of_any_shape_but_has_an_id(events):
    assert parse_webhook({"id": "w1", "name": 7, "url": [], "events": events}) == Webhook(
        "w1", None, None, (), None
    )
    with pytest.raises(BadAnswerError):
        parse_webhook({"name": "no id"})
