"""Logs: one event is one line on stderr, readable on a terminal and JSON otherwise.

A process calls `configure` once, at its face. Everything else asks structlog for a logger. Nothing that is logged, by us
or by a library, keeps a secret or a full phone number: what goes out passes `_Scrub` last.
"""

import logging
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, TextIO

_OWN_IDS = frozenset({"chat_ref", "device", "task_id"})
"""Made by us or by the provider, opaque, and often holding a run of digits that is no phone number."""

Event = MutableMapping[str, Any]


def one_line(text: str) -> str:
    """The text with everything that could start a line, move a cursor or turn the writing around made visible."""
    # Most texts have nothing of the kind, and each value of each line is asked.
    return text if text.isprintable() else "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    # U+200D joins emoji; every other format character (bidi overrides among them) only misleads the reader.
    if char == "\u200d" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return char
    return char.encode("unicode_escape").decode("ascii")


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret replaced by `[secret]`."""
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    return text


class _Scrub:
    """Takes secrets and phone numbers out of every value of an event, however deep, and keeps it on one line."""

    def __init__(self, secrets: Iterable[str], mask: Callable[[str], str]) -> None:
        self._secrets = [secret for secret in secrets if secret]
        self._mask = mask

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        return {self._text(key): self._value(value, known_id=key in _OWN_IDS) for key, value in event.items()}

    def _value(self, value: object, *, known_id: bool = False) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {
                self._text(str(key)): self._value(item, known_id=key in _OWN_IDS)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(item) for item in value]
        return self._text(str(value), known_id=known_id)

    def _text(self, text: str, *, known_id: bool = False) -> str:
        text = redact(text, self._secrets)
        return one_line(text if known_id else self._mask(text))


def _in_line(_logger: object, _method: str, event: Event) -> Event:
    # under the name "exception" the terminal's renderer would give it lines of its own
    if "exception" in event:
        event["traceback"] = event.pop("exception")
    return event


def _readable(_logger: object, _method: str, event: Event) -> Event:
    # A person who reads JSON lines looks at the left.
    return {name: event[name] for name in ("timestamp", "level", "event") if name in event} | dict(event)


def configure(
    *,
    secrets: Iterable[str],
    mask: Callable[[str], str],
    level: int = logging.INFO,
    stream: TextIO | None = None,
) -> None:
    """Sends every event, ours and the libraries', through one path to `stream` (stderr).

    Args:
        secrets: texts that must never appear.
        mask: takes phone numbers out of a text.
        level: what we say below this level is dropped; libraries speak from WARNING on.
        stream: where to; a terminal gets columns, anything else JSON lines.
    """
    import structlog  # a third of a second that `--help` does not need

    stream = stream or sys.stderr
    common: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
        _in_line,
    ]
    last: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _Scrub(secrets, mask),
        # after the scrub: a date looks like a number
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _readable,
        structlog.dev.ConsoleRenderer(colors="NO_COLOR" not in os.environ)
        if stream.isatty()
        else structlog.processors.JSONRenderer(),
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=common, processors=last))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("chat_hygiene").setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
