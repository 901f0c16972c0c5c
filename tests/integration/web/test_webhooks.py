"""A webhook is a hint: it makes a chat or a number be read again, and whatever a stranger sends does no more than that."""

import hashlib
import hmac
import json
import socket
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from chat_hygiene.store.pseudonyms import Pseudonyms
from chat_hygiene.store.tables import audit_events, chats, devices, jobs
from chat_hygiene.web.webhooks import MAX_BODY
from support.site import KEYS, TOKEN
from support.world import NOW

WID = "4473620535761@c.us"
KEY = "hmac-key-of-the-tests"
TEXT = st.text() | st.text(st.characters(categories=["Cs", "Cc", "Lu"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def event(name="chat:update", data=None, device="d1"):
    given = {"chat": {"id": WID}} if data is None else data
    return json.dumps({"event": name, "device": {"id": device}, "data": given}).encode()


@pytest.fixture
def known(world):
    """Chat 1 of d1 is WID; an old key made its pseudonym in the ledger of another test."""
    ref, _ = Pseudonyms({"1": KEYS["pseudonym_key"].encode()}).ref("wassenger", "d1", WID)
    with world.begin() as session:
        session.execute(update(chats).where(chats.c.id == 1).values(chat_ref=ref))
    return world


def hinted(world):
    """Ids of hinted chats, and of hinted numbers."""
    with world() as session:
        return (
            session.scalars(select(chats.c.id).where(chats.c.hinted_at.is_not(None)).order_by(chats.c.id)).all(),
            session.scalars(select(devices.c.device).where(devices.c.hinted_at.is_not(None))).all(),
        )  # fmt: skip


def rest(world):
    """Everything else that a webhook could have touched."""
    with world() as session:
        facts = [column for column in chats.c if column.name != "hinted_at"]
        states = [column for column in devices.c if column.name != "hinted_at"]
        return (
            session.execute(select(*facts).order_by(chats.c.id)).all(),
            session.execute(select(*states).order_by(devices.c.id)).all(),
            session.execute(select(jobs).order_by(jobs.c.id)).all(),
            session.scalar(select(func.count()).select_from(audit_events)),
        )


@pytest.mark.parametrize("name", ["chat:update", "message:in:new", "message:out:sent", "message:reaction"])
def test_an_event_about_a_known_chat_hints_that_chat_and_touches_nothing_else(site, known, name):
    before = rest(known)
    assert site.post(event(name)).status_code == 204
    assert hinted(known) == ([1], [])
    assert rest(known) == before


@pytest.mark.parametrize(
    "data", [{"chat": {"id": "new@c.us"}}, {}, {"id": 7}, {"chat": {"id": "4473620535765@c.us"}}]
)
def test_an_event_about_a_chat_that_is_not_there_hints_its_number(site, known, data):
    assert site.post(event(data=data)).status_code == 204
    assert hinted(known) == ([], ["d1"])


def test_a_session_that_changed_hints_its_number(site, known):
    assert site.post(event("number:session", {"status": "online"}, "d2")).status_code == 204
    assert hinted(known) == ([], ["d2"])


@pytest.mark.parametrize("more", [{"pseudonym_key": f"2:{'n' * 40},1:{KEYS['pseudonym_key']}"}])
def test_a_chat_that_an_older_key_named_is_found(site, known):
    site.post(event())
    assert hinted(known) == ([1], [])


@pytest.mark.parametrize(
    "body", [event("status:update"), event(device="d9"), event(device=None), event(device="d1\0"), b"{}", b' {"event": []}']
)  # fmt: skip
def test_what_we_do_not_follow_is_taken_and_changes_nothing(site, known, body):
    assert site.post(body).status_code == 204
    assert hinted(known) == ([], [])


def test_a_replay_changes_nothing_more(site, known):
    for _ in range(3):
        site.post(event())
    with known() as session:
        assert session.scalar(select(chats.c.hinted_at).where(chats.c.id == 1)) == NOW
    assert hinted(known) == ([1], [])


def test_what_is_no_json_object_is_a_bad_request(site, known):
    for body in (b"", b"x", b"[]", b'"a"', b"1", b"null", b"\xff\xfe", b'{"a":', b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000):  # fmt: skip
        answer = site.post(body)
        assert (answer.status_code, answer.json()) == (400, {"error": "Bad Request"}), body[:20]
    assert hinted(known) == ([], [])


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.one_of(JSON.map(json.dumps).map(str.encode), st.binary(), JSON.map(lambda data: event(data=data)),
                 JSON.map(lambda device: event(device=device)), JSON.map(lambda name: event(name=name))))  # fmt: skip
def test_whatever_is_sent_is_taken_or_refused_and_never_breaks_it(site, body):
    assert site.post(body).status_code in {204, 400}


def test_a_body_may_have_256_kib_and_not_a_byte_more(site, known):
    body = event().ljust(MAX_BODY)
    assert site.post(body).status_code == 204
    assert hinted(known) == ([1], [])
    assert site.post(body + b" ").status_code == 413


def test_a_body_without_a_length_is_not_read_beyond_the_cap(site):
    def endless():
        for _ in range(100):
            yield b" " * 65536

    assert site.post(endless()).status_code == 413


@pytest.mark.parametrize("length", ["9" * 20, "262145"])
def test_a_length_that_is_too_large_is_refused_before_the_body_comes(site, length):
    with socket.create_connection(site.address) as connection:
        head = f"POST /webhooks/{TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 413")


def test_a_sender_that_hangs_up_half_way_breaks_nothing(site, known):
    with socket.create_connection(site.address) as connection:
        connection.sendall(
            f"POST /webhooks/{TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{{".encode()
        )
    assert site.post(event()).status_code == 204


def test_a_body_that_never_comes_is_not_waited_for(site, monkeypatch):
    monkeypatch.setattr("chat_hygiene.web.bodies.BODY_SECONDS", 0.1)
    with socket.create_connection(site.address) as connection:
        connection.sendall(
            f"POST /webhooks/{TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{{".encode()
        )
        assert connection.recv(64).startswith(b"HTTP/1.1 408")


def signature(body, key=KEY):
    return f"sha256={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"


@pytest.mark.parametrize("more", [{"webhook_hmac_key": KEY}])
def test_with_a_key_only_a_signed_body_counts(site, known):
    body = event()
    for wrong in (
        "",
        signature(body, "another"),
        signature(body + b" "),
        signature(body)[7:],
        "sha256=",
        "ä",
    ):
        headers = {"X-Wassenger-Signature": wrong.encode("latin-1")} if wrong else {}
        assert site.post(body, **headers).status_code == 401, wrong
    assert hinted(known) == ([], [])
    assert site.post(body, **{"X-Wassenger-Signature": signature(body)}).status_code == 204
    assert hinted(known) == ([1], [])


@pytest.mark.parametrize("more", [{"webhook_hmac_key": KEY}])
def test_the_right_signature_does_not_help_a_wrong_token(site):
    body = event()
    answer = site.post(body, "/webhooks/wrong", **{"X-Wassenger-Signature": signature(body)})
    assert answer.status_code == 404


def test_a_hint_follows_the_clock(site, known):
    with known.begin() as session:
        session.execute(update(chats).where(chats.c.id == 1).values(hinted_at=NOW + timedelta(days=1)))
    assert site.post(event()).status_code == 204
    with known() as session:
        assert session.scalar(select(chats.c.hinted_at).where(chats.c.id == 1)) == NOW + timedelta(days=1)
