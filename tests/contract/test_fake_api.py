"""The fake server does what it says: it speaks as the service does, and each fault is the fault it is named after."""

import json
import socket
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from chat_hygiene.core.errors import InvalidInputError
from chat_hygiene.providers.fake import faults, serve_forever
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.providers.fake.records import chat_record, device_record
from chat_hygiene.providers.fake.server import serve
from chat_hygiene.providers.fake.world import World

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
DEVICE = "61b37a069cba0c15d6c89757"
WID = "447700900123@c.us"
CHATS = f"/chat/{DEVICE}/chats"
CHAT = f"{CHATS}/{WID}"


class Browser:
    """A plain client of the fake."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(headers={"Token": "fake-token"}, trust_env=False, timeout=20)
        self._url = url

    def get(self, path: str, **query) -> httpx.Response:
        return self._client.get(self._url + path, params=query)

    def ids(self, **query) -> list[str]:
        return [chat["id"] for chat in self.get(CHATS, **query).json()]

    def delete(self, body: object = None, path: str = CHAT) -> httpx.Response:
        return self._client.request("DELETE", self._url + path, json=body)

    def with_token(self, token: str) -> int:
        return self._client.get(f"{self._url}/devices", headers={"Token": token}).status_code

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def world() -> World:
    world = World(now=lambda: NOW)
    world.add_device(device_record(DEVICE))
    world.add_chat(DEVICE, chat_record(WID, last_message_at=NOW - timedelta(days=40), status="resolved"))
    return world


@pytest.fixture
def browser(world):
    with serve(world) as server:
        browser = Browser(server.url)
        yield browser
        browser.close()


def where(world: World) -> tuple[bool, bool]:
    chat = world.find(DEVICE, WID)
    return chat.on_platform, chat.in_whatsapp


def test_only_the_right_token_opens_and_the_log_never_holds_one(world, browser):
    assert [browser.with_token(token) for token in ("wrong-token", "", "fake-token")] == [401, 401, 200]
    assert [line.call.authorized for line in world.seen()] == [False, False, True]
    assert "token" not in repr(world.seen()).replace("authorized", "")
    assert "fake-token" not in repr(world)


def test_unknown_routes_numbers_and_chats_are_404_and_other_methods_405(browser):
    assert browser.get("/nowhere").status_code == 404
    assert browser.get("/devices/none").json()["errorCode"] == "error:device"
    assert browser.get(f"{CHATS}/none").json()["errorCode"] == "error:chat"
    assert browser.delete(path="/devices").status_code == 405


@pytest.mark.parametrize("status", [402, 403])
def test_a_number_without_the_platform_plan_shows_no_chats(world, browser, status):
    world.no_plan_status = status
    world.add_device(device_record("plain", product="gateway"))
    assert browser.get("/devices/plain").status_code == 200
    assert browser.get("/chat/plain/chats").status_code == status
    assert browser.get("/chat/plain/chats/x").status_code == status


def test_a_listing_is_paged_sorted_and_filtered(world, browser):
    for age, name in enumerate("cab"):
        meta = {"unreadCount": age}
        world.add_chat(
            DEVICE, chat_record(name, last_message_at=NOW - timedelta(days=age), name=name, meta=meta)
        )
    assert browser.ids(sort="lastMessageAt:desc") == ["c", "a", "b", WID]
    assert browser.ids(sort="lastMessageAt:asc") == [WID, "b", "a", "c"]
    assert browser.ids(sort="name:asc", status="active") == ["a", "b", "c"]
    assert browser.ids(sort="name:desc", status="active") == ["c", "b", "a"]
    assert browser.ids(sort="unreadCount:desc", status="active") == ["b", "a", "c"]
    assert browser.ids(sort="lastMessageAt:desc", page=1, size=3) == [WID]
    assert browser.ids(status="resolved") == [WID]
    assert [
        browser.get(CHATS, **bad).status_code for bad in ({"sort": "x"}, {"size": "0"}, {"page": "-1"})
    ] == [400] * 3


def test_a_page_holds_twenty_unless_asked(world, browser):
    for number in range(25):
        world.add_chat(DEVICE, chat_record(f"{number}@c.us", last_message_at=NOW))
    assert len(browser.ids()) == 20


def test_without_flags_only_the_platforms_copy_goes(world, browser):
    assert browser.delete().status_code == 200
    assert where(world) == (False, True)
    assert browser.get(CHAT).status_code == 404
    assert browser.ids() == []
    assert browser.delete().status_code == 404


def test_flags_in_the_query_are_lost_silently(world, browser):
    assert browser.delete(path=f"{CHAT}?whatsapp=true").status_code == 200
    assert where(world) == (False, True)


@pytest.mark.parametrize(
    "body", [{"force": True}, {"whatsapp": "yes"}, ["whatsapp"], {"whatsapp": True, "force": 1}]
)
def test_flags_that_make_no_sense_are_400_and_delete_nothing(world, browser, body):
    assert browser.delete(body).status_code == 400
    assert where(world) == (True, True)


def test_removed_chats_may_stay_listed_with_what_became_of_them(world, browser):
    world.removed_chats = "listed"
    world.refuse(DEVICE, WID)
    assert browser.delete({"whatsapp": True, "force": True}).status_code == 200
    assert where(world) == (False, True)
    record = browser.get(CHAT).json()
    assert (record["status"], record["waStatus"]) == ("removed", "active")
    world.refuse(DEVICE, WID, refused=False)
    assert browser.delete({"whatsapp": True}).status_code == 200
    record = browser.get(CHAT).json()
    assert (record["status"], record["waStatus"]) == ("removed", "removed")
    assert browser.ids() == [WID]
    assert browser.delete({"whatsapp": True}).status_code == 404


@pytest.mark.parametrize(("trouble", "status"), [("refuses", 400), ("offline", 503)])
def test_when_whatsapp_does_not_do_it_nothing_is_removed_unless_forced(world, browser, trouble, status):
    world.refuse(DEVICE, WID) if trouble == "refuses" else world.set_session(DEVICE, "offline")
    assert browser.delete({"whatsapp": True}).status_code == status
    assert where(world) == (True, True)
    assert browser.delete({"whatsapp": True, "force": True}).status_code == 200
    assert where(world) == (False, True)


def test_a_message_brings_a_chat_back(world, browser):
    browser.delete()
    world.message_arrives(DEVICE, WID)
    record = browser.get(CHAT).json()
    assert (record["lastMessageAt"], record["status"]) == ("2026-05-04T03:02:01.000Z", "active")
    assert record["meta"]["isUnread"]


def test_a_status_is_answered_with_its_body_and_nothing_is_done(world, browser):
    world.script(faults.status(418, b"<b>tea</b>", {"x-pot": "1"}, on=On(method="DELETE")))
    answer = browser.delete()
    assert (answer.status_code, answer.text, answer.headers["x-pot"]) == (418, "<b>tea</b>", "1")
    assert where(world) == (True, True)


def test_a_fault_strikes_the_nth_fitting_call_and_so_many_times(world, browser):
    world.script(faults.status(500, on=On(route="chat", wid=WID, nth=2, times=2)))
    browser.get("/devices")
    assert [browser.get(CHAT).status_code for _ in range(4)] == [200, 500, 500, 200]
    world.clear_script()
    world.script(faults.status(500, on=On(device=DEVICE, method="GET", times=None)))
    assert [browser.get(CHAT).status_code for _ in range(3)] == [500] * 3
    assert browser.get("/devices").status_code == 200


def test_a_rate_limit_comes_with_and_without_retry_after(world, browser):
    world.script(faults.rate_limited(on=On()), faults.rate_limited("7", on=On(nth=2)))
    assert [browser.get(CHAT).headers.get("retry-after") for _ in range(2)] == [None, "7"]


def test_a_delay_and_a_drip_lose_nothing(world, browser):
    world.script(faults.delay(0.01, on=On()), faults.slow_drip(0.0001, on=On()))
    assert browser.get(CHAT).json()["id"] == WID


@pytest.mark.parametrize(
    ("fault", "acted"), [(faults.cut(), True), (faults.acts_and_hangs_up(), True), (faults.reset(), False)]
)
def test_a_broken_connection_tells_nothing_of_what_was_done(world, browser, fault, acted):
    world.script(fault)
    with pytest.raises(httpx.NetworkError if fault.reset else httpx.RemoteProtocolError):
        browser.delete({"whatsapp": True})
    assert where(world) == ((False, False) if acted else (True, True))
    assert world.seen()[-1].status == (None if fault.reset else 200)
    assert world.seen()[-1].sent == {"whatsapp": True}


def test_malformed_and_huge_bodies_are_what_they_say(world, browser):
    world.script(faults.malformed(on=On()), faults.huge(100_000, on=On(nth=2)))
    with pytest.raises(json.JSONDecodeError):
        browser.get(CHAT).json()
    answer = browser.get(CHAT)
    assert (len(answer.content), answer.json()) == (100_000, [])


def test_an_ignored_deletion_is_answered_2xx_and_the_chat_stays(world, browser):
    world.script(faults.ignored(on=On(method="DELETE")))
    assert browser.delete({"whatsapp": True}).status_code == 200
    assert where(world) == (True, True)
    assert browser.ids() == [WID]


def test_a_token_can_be_revoked_after_n_calls(world, browser):
    world.script(faults.before(world.revoke_token, on=On(nth=3)))
    assert [browser.get("/devices").status_code for _ in range(4)] == [200, 200, 401, 401]


def test_a_number_can_go_offline_in_the_middle(world, browser):
    world.script(faults.before(lambda: world.set_session(DEVICE, "timeout"), on=On(method="DELETE")))
    assert browser.delete({"whatsapp": True}).status_code == 503
    assert browser.get(f"/devices/{DEVICE}").json()["session"]["status"] == "timeout"


def test_a_message_can_arrive_right_before_the_fresh_read(world, browser):
    world.script(
        faults.before(lambda: world.message_arrives(DEVICE, WID), on=On(route="chat", method="GET", wid=WID))
    )
    assert browser.get(CHATS).json()[0]["status"] == "resolved"
    assert browser.get(CHAT).json()["status"] == "active"


def test_a_chat_can_vanish_right_before_the_fresh_read(world, browser):
    world.script(faults.before(lambda: world.forget(DEVICE, WID), on=On(route="chat")))
    assert browser.ids() == [WID]
    assert browser.get(CHAT).status_code == 404
    assert browser.ids() == []


def test_a_list_can_shift_while_it_is_read(world, browser):
    for age in range(1, 5):
        world.add_chat(DEVICE, chat_record(f"{age}", last_message_at=NOW - timedelta(days=age)))
    world.script(faults.before(lambda: world.message_arrives(DEVICE, "4"), on=On(route="chats", nth=2)))
    query = {"sort": "lastMessageAt:desc", "size": 2}
    # "4" moved to the top: it is skipped, and "2" comes twice.
    assert [browser.ids(page=page, **query) for page in range(3)] == [["1", "2"], ["2", "3"], [WID]]


def test_the_date_is_the_worlds_and_can_be_wrong(world, browser):
    world.script(faults.skewed(timedelta(minutes=6), on=On(nth=2)))
    dates = [browser.get("/devices").headers["date"] for _ in range(2)]
    assert dates == ["Mon, 04 May 2026 03:02:01 GMT", "Mon, 04 May 2026 03:08:01 GMT"]


def test_a_request_can_be_waited_for(world, browser):
    browser.get("/devices")
    assert world.wait_until(lambda world: len(world.seen(route="devices")) == 1, seconds=20)
    assert not world.wait_until(lambda world: len(world.seen()) == 2, seconds=0)


def test_a_closed_server_is_gone_even_with_an_answer_still_dripping(world):
    world.script(faults.slow_drip(60))
    with serve(world) as server, httpx.Client(trust_env=False, timeout=20) as client:
        with client.stream("GET", f"{server.url}/devices", headers={"Token": "fake-token"}) as answer:
            assert answer.status_code == 200
            server.close()
            with pytest.raises(httpx.HTTPError):
                answer.read()
        with pytest.raises(httpx.ConnectError):
            client.get(server.url)
        server.close()


def test_a_taken_port_is_a_clear_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInputError, match=f"cannot listen on 127.0.0.1 port {port}"):
            serve_forever(
                lambda: NOW, host="127.0.0.1", port=port, token="t", chats=1, seed=1, announce=print
            )


def test_it_serves_until_interrupted():
    def interrupt(url: str) -> None:
        assert httpx.get(f"{url}/devices", headers={"Token": "t"}, trust_env=False).status_code == 200
        raise KeyboardInterrupt

    serve_forever(lambda: NOW, host="127.0.0.1", port=0, token="t", chats=10, seed=1, announce=interrupt)
