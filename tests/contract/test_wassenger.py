"""Wassenger's provider against the fake server, over real HTTP."""

import gzip
import socket
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from chat_hygiene.core import errors
from chat_hygiene.providers.base import Deleter, Reader, Subscriber
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import Fault
from chat_hygiene.providers.fake.records import chat_record, device_record
from chat_hygiene.providers.fake.server import serve
from chat_hygiene.providers.fake.world import World
from chat_hygiene.providers.registry import open_deleter, open_reader, open_subscriber
from chat_hygiene.settings import Settings, load_settings
from contract.conformance import LATER, NOW, TOKEN, WID, ProviderConformance
from contract.conformance_webhooks import WebhookConformance
from support.told import everything_told

DEVICE = "61b37a069cba0c15d6c89757"


@dataclass
class WassengerStage:
    world: World
    reader: Reader
    deleter: Deleter
    subscriber: Subscriber
    hurried_reader: Reader
    hurried_deleter: Deleter
    device: str = DEVICE

    def add_chat(self, wid: str, *, last_message_at: datetime = NOW) -> None:
        self.world.add_chat(DEVICE, chat_record(wid, last_message_at=last_message_at))

    def script(self, fault: Fault) -> None:
        self.world.script(fault)

    def refuse(self, wid: str) -> None:
        self.world.refuse(DEVICE, wid)

    def go_offline(self) -> None:
        self.world.set_session(DEVICE, "offline")

    def revoke_token(self) -> None:
        self.world.revoke_token()

    def where(self, wid: str) -> tuple[bool, bool]:
        chat = self.world.find(DEVICE, wid)
        assert chat is not None
        return chat.on_platform, chat.in_whatsapp

    def calls(self) -> int:
        return len(self.world.seen())


def settings_for(url: str, *, deadline: float = 20) -> Settings:
    return load_settings(
        api_url=url,
        api_token=TOKEN,
        read_deadline_seconds=deadline,
        delete_deadline_seconds=deadline,
        page_size=2,
        _env_file=None,
    )


@pytest.fixture
async def stage() -> AsyncIterator[WassengerStage]:
    world = World(now=lambda: NOW, token=TOKEN)
    world.add_device(device_record(DEVICE))
    with serve(world) as server:
        patient, hurried = settings_for(server.url), settings_for(server.url, deadline=1)
        sides = [
            side(settings, lambda: NOW)
            for settings, side in (
                *((patient, side) for side in (open_reader, open_deleter, open_subscriber)),
                *((hurried, side) for side in (open_reader, open_deleter)),
            )
        ]
        yield WassengerStage(world, *sides)
        for side in sides:
            await side.aclose()


class TestWassenger(ProviderConformance, WebhookConformance):
    """The suites of every provider."""


pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("from_whatsapp", "force", "body"),
    [
        (False, False, b""),
        (True, False, b'{"whatsapp":true}'),
        (True, True, b'{"whatsapp":true,"force":true}'),
    ],
)
async def test_the_flags_travel_in_a_json_body_and_no_flag_means_no_body(stage, from_whatsapp, force, body):
    stage.add_chat(WID)
    await stage.deleter.delete(DEVICE, WID, from_whatsapp=from_whatsapp, force=force, not_after=LATER)
    (seen,) = stage.world.seen()
    assert seen.call.body == body
    assert seen.call.method == "DELETE"
    assert seen.call.path == f"/v1/chat/{DEVICE}/chats/447700900123%40c.us"
    assert seen.call.query == {}
    assert seen.call.authorized


async def test_a_listing_asks_for_page_size_and_order_and_for_nothing_else(stage):
    await stage.reader.chats(DEVICE, page=3, size=50)
    (seen,) = stage.world.seen()
    assert seen.call.query == {"page": "3", "size": "50", "sort": "lastMessageAt:desc"}
    assert seen.call.body == b""


async def test_all_numbers_of_a_large_account_are_found(stage):
    for number in range(4):
        stage.world.add_device(device_record(f"{number:024x}"))
    assert len(await stage.reader.devices()) == 5
    assert [line.call.query["page"] for line in stage.world.seen()] == ["0", "1", "2"]


async def test_a_server_that_ignores_paging_is_not_read_for_ever(stage):
    stage.script(faults.status(200, b'[{"id":"a"},{"id":"b"},{"id":"c"}]', on=faults.On(times=9)))
    assert [device.device for device in await stage.reader.devices()] == ["a", "b", "c"]
    assert stage.calls() == 2


async def test_one_chat_without_a_usable_id_spoils_the_page(stage):
    stage.add_chat(WID)
    stage.add_chat("bad\nid")
    with pytest.raises(errors.BadAnswerError, match="no usable id"):
        await stage.reader.chats(DEVICE, page=0, size=10)


async def test_unreadable_labels_leave_the_stored_ones_in_a_listing_and_stop_a_fresh_read(stage):
    stage.add_chat(WID)
    stage.world.change_chat(DEVICE, WID, labels=["vip", 7])
    page = await stage.reader.chats(DEVICE, page=0, size=10)
    assert page.chats[0].labels is None
    with pytest.raises(errors.BadAnswerError, match="labels"):
        await stage.reader.chat(DEVICE, WID)


async def test_an_answer_about_another_number_is_a_bad_answer(stage):
    stage.script(faults.status(200, b'{"id": "another"}'))
    with pytest.raises(errors.BadAnswerError, match="another number"):
        await stage.reader.device(DEVICE)


async def test_nothing_was_sent_when_no_connection_could_be_made():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/v1", "https://no-such-host.invalid/v1"):
        deleter = open_deleter(settings_for(url), lambda: NOW)
        with pytest.raises(errors.UnavailableError, match="nothing was sent") as caught:
            await deleter.delete(DEVICE, WID, from_whatsapp=True, force=False, not_after=LATER)
        assert not caught.value.unknown_outcome
        assert "CHAT_HYGIENE_API_URL" in caught.value.fix
        assert TOKEN not in everything_told(caught.value)
        await deleter.aclose()


async def test_nothing_was_sent_when_the_tls_handshake_fails(stage):
    with serve(stage.world) as server:
        reader = open_reader(settings_for(server.url.replace("http:", "https:")), lambda: NOW)
        with pytest.raises(errors.UnavailableError, match="TLS failed"):
            await reader.devices()
        await reader.aclose()
    assert stage.calls() == 0


async def test_nothing_was_sent_when_the_deadline_ends_during_the_handshake():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, never speaks TLS
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/v1"
        reader = open_reader(settings_for(url, deadline=0.4), lambda: NOW)
        with pytest.raises(errors.UnavailableError, match="no connection could be made"):
            await reader.devices()
        await reader.aclose()


async def test_a_packed_answer_is_unpacked_and_a_packed_bomb_is_refused(stage):
    packed = gzip.compress(b'[{"id":"a@c.us"}]')
    stage.script(faults.status(200, packed, {"content-encoding": "gzip"}, on=faults.On()))
    assert (await stage.reader.chats(DEVICE, page=0, size=1)).chats[0].wid == "a@c.us"
    bomb = gzip.compress(b" " * (200 * 1024**2), 9)
    assert len(bomb) < 1024**2
    stage.script(faults.status(200, bomb, {"content-encoding": "gzip"}))
    tracemalloc.start()
    with pytest.raises(errors.BadAnswerError, match="larger than 16 MiB"):
        await stage.reader.chats(DEVICE, page=0, size=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 48 * 1024**2, "it is never unpacked beyond the cap"


async def test_a_page_of_almost_sixteen_mebibytes_is_read(stage):
    stage.script(faults.huge(16 * 1024**2 - 1))
    assert (await stage.reader.chats(DEVICE, page=0, size=1)).chats == ()


async def test_a_redirect_is_not_followed_and_its_goal_is_not_asked(stage):
    stage.script(faults.status(307, headers={"location": "/v1/devices"}, on=faults.On()))
    with pytest.raises(errors.BadAnswerError) as caught:
        await stage.reader.chat(DEVICE, WID)
    assert "CHAT_HYGIENE_API_URL" in caught.value.fix
    assert stage.calls() == 1


async def test_the_services_error_code_is_kept_but_only_if_it_is_a_code(stage):
    for body, code in (
        (b'{"errorCode": "error:chat:gone"}', "error:chat:gone"),
        (b'{"errorCode": "error 447700900123"}', None),
        (b'{"errorCode": "c447700900123"}', None),
        (b'{"errorCode": 17}', None),
        (f'{{"errorCode": "{TOKEN}"}}'.encode(), None),
        (b"<html>", None),
        (b"[]", None),
    ):
        stage.world.clear_script()
        stage.script(faults.status(400, body))
        with pytest.raises(errors.RefusedError) as caught:
            await stage.reader.chat(DEVICE, WID)
        assert caught.value.code == code


async def test_the_date_of_a_rate_limit_is_taken_by_the_servers_own_clock(stage):
    stage.script(faults.skewed(timedelta(hours=-2)))
    stage.script(faults.rate_limited("Mon, 04 May 2026 01:02:31 GMT"))
    with pytest.raises(errors.RateLimitedError) as caught:
        await stage.reader.chat(DEVICE, WID)
    assert caught.value.retry_at == NOW + timedelta(seconds=30)


async def test_a_token_cannot_be_missing_or_broken_and_is_not_shown():
    settings = load_settings(api_token=None, _env_file=None)
    with pytest.raises(errors.InvalidInputError) as caught:
        open_reader(settings, lambda: NOW)
    assert "CHAT_HYGIENE_API_TOKEN" in caught.value.fix
    for broken in (f"{TOKEN}\n", f"{TOKEN} x", f"{TOKEN}é", f"{TOKEN}\x00"):
        with pytest.raises(errors.InvalidInputError, match="CHAT_HYGIENE_API_TOKEN") as caught:
            open_deleter(load_settings(api_token=broken, _env_file=None), lambda: NOW)
        assert TOKEN not in f"{caught.value} {caught.value.fix}"


async def test_read_only_settings_give_no_deleter():
    with pytest.raises(errors.SafetyStopError, match="CHAT_HYGIENE_READ_ONLY"):
        open_deleter(load_settings(api_token=TOKEN, read_only=True, _env_file=None), lambda: NOW)
