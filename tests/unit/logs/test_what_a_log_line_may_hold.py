import io
import json
import logging
import re

import pytest
import structlog

from chat_hygiene import logs

TOKEN = "a-token-of-the-account-0123"


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def stream(request):
    root, ours = logging.getLogger(), logging.getLogger("chat_hygiene")
    before = root.handlers[:], root.level, ours.level
    stream = Stream(terminal=request.param)
    logs.configure(secrets=[TOKEN], mask=lambda text: re.sub(r"\d{7,}", "···", text), stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level, ours.level = before


def test_neither_secret_nor_number_leaves_by_any_way(stream):
    log = structlog.get_logger("chat_hygiene.test")
    log.info(TOKEN, wid="447700900123@c.us", deep={TOKEN: [TOKEN, ("447700900123",)]})
    logging.getLogger("library").warning("GET %s", f"/chats/447700900123?{TOKEN}")
    log.error("failed", exc_info=ValueError(f"447700900123 {TOKEN}"))
    text = stream.getvalue()
    assert TOKEN not in text
    assert "447700900123" not in text
    assert text.count("[secret]") == 5


def test_an_event_is_one_line_whatever_it_says(stream):
    log = structlog.get_logger("chat_hygiene.test")
    log.info("one\ntwo\r\x1b[2J\u2028\u202e", name="a\nb", labels=["c\nd"])
    log.error("failed", exc_info=ValueError("e\nf"))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "\x1b[2J" not in lines[0]
    assert "ValueError" in lines[1]


def test_our_own_ids_stay_whole(stream):
    structlog.get_logger("chat_hygiene.test").info("seen", chat_ref="c_1234567890", n=12345678)
    assert "c_1234567890" in stream.getvalue()
    assert "12345678" in stream.getvalue()


def test_libraries_are_heard_from_warnings_on_only(stream):
    logging.getLogger("httpx").info("a request")
    assert stream.getvalue() == ""


def test_a_pipe_gets_json(stream):
    structlog.get_logger("chat_hygiene.test").warning("seen", n=1)
    if not stream.terminal:
        event = json.loads(stream.getvalue())
        assert (event["event"], event["level"], event["n"]) == ("seen", "warning", 1)
        assert event["timestamp"].endswith("Z")
