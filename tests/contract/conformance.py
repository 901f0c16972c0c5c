"""What every provider must do. A new provider subclasses `ProviderConformance`, and `WebhookConformance` beside it, and gives
them a `stage`."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from chat_hygiene.core import errors
from chat_hygiene.providers.base import Deleter, Reader, Subscriber
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import Fault
from contract.breakdowns import BREAKDOWNS, BROKEN_JSON, SLOWNESS
from support.told import everything_told

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
TOKEN = "s3cr3t-T0ken-that-must-never-show"
WID = "447700900123@c.us"
ODD_IDS = [
    "a/b@c.us",
    "a?b",
    "a#b",
    "a%2Fb",
    "a b",
    "naïve☎@lid",
    "../x",
    "a&size=1",
    "%",
    "+44@c.us",
    "a\\b",
    "{wid}",
]


class Stage(Protocol):
    """A fake account with one number, at the instant NOW, and the provider's three sides opened on it with TOKEN."""

    device: str
    reader: Reader
    deleter: Deleter
    subscriber: Subscriber
    hurried_reader: Reader
    """Its deadline, and that of `hurried_deleter`, is a second: enough to connect, on any machine."""
    hurried_deleter: Deleter

    def add_chat(self, wid: str, *, last_message_at: datetime = NOW) -> None: ...
    def script(self, fault: Fault) -> None: ...
    def refuse(self, wid: str) -> None: ...
    def go_offline(self) -> None: ...
    def revoke_token(self) -> None: ...
    def where(self, wid: str) -> tuple[bool, bool]:
        """Whether it is on the platform, and in WhatsApp."""

    def calls(self) -> int:
        """Requests that arrived."""


@pytest.mark.anyio
class ProviderConformance:
    """Each test is a promise of `providers.base`."""

    async def test_all_chats_come_page_by_page_newest_activity_first(self, stage: Stage):
        for age in range(5):
            stage.add_chat(f"{age}@c.us", last_message_at=NOW - timedelta(hours=age))
        pages = [await stage.reader.chats(stage.device, page=page, size=2) for page in range(4)]
        assert [[chat.wid for chat in page.chats] for page in pages] == [
            ["0@c.us", "1@c.us"],
            ["2@c.us", "3@c.us"],
            ["4@c.us"],
            [],
        ]
        assert [page.size for page in pages] == [2, 2, 1, 0]

    async def test_a_chat_is_read_with_its_facts(self, stage: Stage):
        stage.add_chat(WID, last_message_at=NOW - timedelta(days=1))
        chat = await stage.reader.chat(stage.device, WID)
        assert (chat.wid, chat.last_message_at) == (WID, NOW - timedelta(days=1))

    async def test_the_account_and_its_number_are_read(self, stage: Stage):
        (only,) = await stage.reader.devices()
        assert only == await stage.reader.device(stage.device)
        assert only.device == stage.device
        assert only.online
        stage.go_offline()
        assert not (await stage.reader.device(stage.device)).online

    async def test_what_is_not_there_is_not_found(self, stage: Stage):
        with pytest.raises(errors.NotFoundError):
            await stage.reader.chat(stage.device, WID)
        with pytest.raises(errors.NotFoundError):
            await stage.reader.device("no-such-number")
        with pytest.raises(errors.NotFoundError):
            await stage.reader.chats("no-such-number", page=0, size=10)
        with pytest.raises(errors.NotFoundError):
            await stage.deleter.delete(stage.device, WID, from_whatsapp=True, force=False, not_after=LATER)

    async def test_a_key_that_is_refused_is_unauthorized_and_says_what_to_check(self, stage: Stage):
        stage.revoke_token()
        with pytest.raises(errors.UnauthorizedError) as caught:
            await stage.reader.devices()
        assert "CHAT_HYGIENE_API_TOKEN" in caught.value.fix

    @pytest.mark.parametrize(("fault", "expected"), BREAKDOWNS.values(), ids=BREAKDOWNS)
    async def test_every_breakdown_of_a_read_is_one_of_our_errors(
        self, stage: Stage, fault: Fault, expected: type
    ):
        stage.add_chat(WID)
        stage.script(fault)
        with pytest.raises(errors.ProviderError) as caught:
            await stage.reader.chat(stage.device, WID)
        assert type(caught.value) is expected

    @pytest.mark.parametrize(("fault", "expected"), BREAKDOWNS.values(), ids=BREAKDOWNS)
    async def test_every_breakdown_of_a_deletion_is_one_of_our_errors(
        self, stage: Stage, fault: Fault, expected: type
    ):
        stage.add_chat(WID)
        stage.script(fault)
        with pytest.raises(errors.ProviderError) as caught:
            await stage.deleter.delete(stage.device, WID, from_whatsapp=True, force=False, not_after=LATER)
        assert type(caught.value) is expected
        assert stage.calls() == 1, "nothing is repeated below the job"

    @pytest.mark.parametrize("fault", SLOWNESS.values(), ids=SLOWNESS)
    async def test_a_call_ends_at_its_deadline_however_steadily_bytes_come(self, stage: Stage, fault: Fault):
        stage.add_chat(WID)
        stage.script(fault)
        for attempt in (
            stage.hurried_reader.chat(stage.device, WID),
            stage.hurried_deleter.delete(stage.device, WID, from_whatsapp=True, force=False, not_after=LATER),
        ):
            with pytest.raises(errors.UnknownOutcomeError, match="no whole answer within") as caught:
                await attempt
            assert TOKEN not in everything_told(caught.value)

    @pytest.mark.parametrize("fault", BROKEN_JSON.values(), ids=BROKEN_JSON)
    async def test_an_answer_that_is_no_answer_is_a_bad_answer(self, stage: Stage, fault: Fault):
        stage.script(fault)
        for call in (
            stage.reader.devices(),
            stage.reader.device(stage.device),
            stage.reader.chats(stage.device, page=0, size=10),
            stage.reader.chat(stage.device, WID),
            stage.subscriber.webhooks(),
        ):
            with pytest.raises(errors.BadAnswerError):
                await call

    async def test_an_answer_about_another_chat_is_a_bad_answer(self, stage: Stage):
        stage.script(faults.status(200, b'{"id": "447700900124@c.us"}'))
        with pytest.raises(errors.BadAnswerError, match="another chat"):
            await stage.reader.chat(stage.device, WID)

    @pytest.mark.parametrize(
        ("from_whatsapp", "force", "expected"),
        [(False, False, (False, True)), (True, False, (False, False)), (True, True, (False, False))],
    )
    async def test_a_deletion_removes_what_was_asked(self, stage: Stage, from_whatsapp, force, expected):
        stage.add_chat(WID)
        stage.add_chat("bystander@c.us")
        await stage.deleter.delete(
            stage.device, WID, from_whatsapp=from_whatsapp, force=force, not_after=LATER
        )
        assert stage.where(WID) == expected
        assert stage.where("bystander@c.us") == (True, True)

    async def test_force_alone_is_a_mistake_of_the_caller(self, stage: Stage):
        stage.add_chat(WID)
        with pytest.raises(ValueError, match="force"):
            await stage.deleter.delete(stage.device, WID, from_whatsapp=False, force=True, not_after=LATER)
        assert stage.calls() == 0

    async def test_a_delete_that_could_leave_only_too_late_is_not_sent(self, stage):
        stage.add_chat(WID)
        before = stage.calls()
        with pytest.raises(errors.TooLateError):
            await stage.deleter.delete(
                stage.device, WID, from_whatsapp=True, force=False, not_after=NOW - timedelta(seconds=1)
            )
        assert stage.calls() == before
        assert stage.where(WID) == (True, True)

    async def test_a_refusal_by_whatsapp_is_permanent_and_force_gets_past_it_on_the_platform_only(
        self, stage: Stage
    ):
        stage.add_chat(WID)
        stage.refuse(WID)
        with pytest.raises(errors.RefusedError) as caught:
            await stage.deleter.delete(stage.device, WID, from_whatsapp=True, force=False, not_after=LATER)
        assert caught.value.permanent
        assert stage.where(WID) == (True, True)
        await stage.deleter.delete(stage.device, WID, from_whatsapp=True, force=True, not_after=LATER)
        assert stage.where(WID) == (False, True)

    async def test_an_offline_number_deletes_nothing_in_whatsapp(self, stage: Stage):
        stage.add_chat(WID)
        stage.go_offline()
        with pytest.raises(errors.UnknownOutcomeError) as caught:
            await stage.deleter.delete(stage.device, WID, from_whatsapp=True, force=False, not_after=LATER)
        assert caught.value.status == 503
        assert stage.where(WID) == (True, True)

    @pytest.mark.parametrize("answer", [b"", b"OK", b"<p>done</p>", b"{", b"[]", b"\xff"])
    @pytest.mark.parametrize("status", [200, 202])
    async def test_any_2xx_is_good_for_a_deletion_whatever_its_body(self, stage: Stage, status, answer):
        stage.script(faults.status(status, answer))
        await stage.deleter.delete(stage.device, WID, from_whatsapp=True, force=False, not_after=LATER)

    @pytest.mark.parametrize("wid", ODD_IDS)
    async def test_an_id_reaches_exactly_its_chat_whatever_its_characters(self, stage: Stage, wid: str):
        stage.add_chat("a")
        stage.add_chat(wid)
        assert (await stage.reader.chat(stage.device, wid)).wid == wid
        await stage.deleter.delete(stage.device, wid, from_whatsapp=True, force=False, not_after=LATER)
        assert (stage.where(wid), stage.where("a")) == ((False, False), (True, True))

    @pytest.mark.parametrize("segment", ["", ".", "..", "\ud800"])
    async def test_an_id_that_would_address_something_else_is_never_sent(self, stage: Stage, segment: str):
        for call in (
            stage.reader.chat(stage.device, segment),
            stage.reader.chats(segment, page=0, size=1),
            stage.reader.device(segment),
            stage.deleter.delete(stage.device, segment, from_whatsapp=True, force=False, not_after=LATER),
            stage.deleter.delete(segment, WID, from_whatsapp=True, force=False, not_after=LATER),
        ):
            with pytest.raises(errors.RefusedError):
                await call
        assert stage.calls() == 0

    @pytest.mark.parametrize(
        ("given", "seconds"),
        [
            ("7", 7),
            ("0", 0),
            ("Mon, 04 May 2026 03:04:31 GMT", 150),
            ("86400", 3600),
            ("9" * 30, 3600),
            ("-5", 60),
            ("soon", 60),
            ("Mon, 04 May 2020 03:02:01 GMT", 60),
            ("Sun, 04 May 2036 03:02:01 GMT", 3600),
            (None, 60),
        ],
    )
    async def test_a_rate_limit_says_when_to_come_back(self, stage: Stage, given, seconds):
        stage.script(faults.rate_limited(given))
        with pytest.raises(errors.RateLimitedError) as caught:
            await stage.reader.chat(stage.device, WID)
        assert caught.value.retry_at == NOW + timedelta(seconds=seconds)

    async def test_the_servers_clock_is_compared_with_ours(self, stage: Stage):
        assert stage.reader.clock_skew is None
        await stage.reader.devices()
        assert stage.reader.clock_skew == timedelta(0)
        stage.script(faults.skewed(timedelta(minutes=6)))
        await stage.reader.device(stage.device)
        assert stage.reader.clock_skew == timedelta(minutes=6)

    async def test_no_proxy_of_the_environment_is_used(self, stage: Stage, monkeypatch: pytest.MonkeyPatch):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert await stage.reader.devices()

    @pytest.mark.parametrize("breakdown", BREAKDOWNS)
    async def test_neither_token_nor_chat_id_is_in_an_error_or_a_log(
        self, stage: Stage, breakdown: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
    ):
        caplog.set_level(0)
        # The fake shares the process; what its server writes, wherever to, is not the product's.
        caplog.set_level(logging.CRITICAL + 1, logger="uvicorn")
        stage.add_chat(WID)
        stage.script(BREAKDOWNS[breakdown][0])
        attempts: list[Callable] = [
            lambda: stage.reader.chat(stage.device, WID),
            lambda: stage.deleter.delete(stage.device, WID, from_whatsapp=True, force=False, not_after=LATER),
        ]
        for attempt in attempts:
            with pytest.raises(errors.ProviderError) as caught:
                await attempt()
            assert caught.value.__cause__ is None
            assert caught.value.__context__ is None
            assert TOKEN not in everything_told(caught.value)
            assert "447700900123" not in f"{caught.value!s} {caught.value!r} {vars(caught.value)}"
        logged = [f"{line.getMessage()} {line.args}" for line in caplog.records]
        written = "".join(logged) + "".join(capfd.readouterr()) + repr(stage.reader) + repr(stage.deleter)
        assert TOKEN not in written
        assert "447700900123" not in written
