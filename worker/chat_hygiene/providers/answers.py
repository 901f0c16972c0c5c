"""What an HTTP answer means in our own words: errors by status, when to come back, what time the server has.

Pure functions over one answer; the client in `http` calls them. No message made here holds anything the server wrote,
except an error code that is nothing but a code.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, TypeVar

import orjson

from chat_hygiene.core.errors import (
    BadAnswerError,
    ConflictError,
    NotFoundError,
    ProviderError,
    RateLimitedError,
    RefusedError,
    UnauthorizedError,
    UnknownOutcomeError,
)

DEFAULT_PAUSE = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(hours=1)

_FIX_KEY = (
    "check CHAT_HYGIENE_API_TOKEN: the key must be current and belong to an administrator of the account"
)
_FIX_PLAN = "check the subscription of this number: chats can be reached only with the Platform plan"
_FIX_URL = "check CHAT_HYGIENE_API_URL: it must be the API itself and end with its version path, like /v1"

_T = TypeVar("_T")
_Meaning = tuple[type[ProviderError], str, str]

_MEANINGS: dict[int, _Meaning] = {
    401: (UnauthorizedError, "the key is not accepted", _FIX_KEY),
    402: (UnauthorizedError, "the plan does not allow it", _FIX_PLAN),
    403: (UnauthorizedError, "not allowed", f"{_FIX_KEY}; if it is, {_FIX_PLAN}"),
    404: (NotFoundError, "no such chat or number", ""),
    409: (ConflictError, "a conflict; it can be tried later", ""),
}
_NO_API: _Meaning = (NotFoundError, "there is no such API at this address", _FIX_URL)
_FAMILIES: tuple[tuple[int, _Meaning], ...] = (
    (500, (UnknownOutcomeError, "the service failed, and it may have acted", "")),
    (400, (RefusedError, "refused", "")),
    (0, (BadAnswerError, "redirects are never followed", _FIX_URL)),
)

# No run of five digits: a code never carries a part of a phone number into the ledger.
_CODE = re.compile(r"(?!.*\d{5})[A-Za-z][A-Za-z0-9:_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end. `flaw` says why the body cannot be used, or is empty."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    flaw: str = ""


def named(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name in lower case; what is said twice stands in one line, as HTTP has it."""
    found: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


# All answers of a second carry the same.
@lru_cache(maxsize=64)
def http_date(text: str | None) -> datetime | None:
    """An HTTP date as a UTC instant; None for anything else."""
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def retry_at(headers: Mapping[str, str], now: datetime) -> datetime:
    """When the server allows the next call: `Retry-After` in seconds or as a date, at most an hour from `now`.

    A date is taken by the server's own clock (its `Date`), so that a wrong clock on either side does no harm. Absent,
    negative, past or unreadable means a minute.
    """
    text = headers.get("retry-after", "").strip()
    pause = DEFAULT_PAUSE
    if text.isascii() and text.isdigit():
        # int() refuses thousands of digits, and nine of them are more than any cap.
        pause = timedelta(seconds=int(text)) if len(text) < 9 else LONGEST_PAUSE
    elif (moment := http_date(text)) is not None:
        left = moment - (http_date(headers.get("date")) or now)
        pause = left if left >= timedelta(0) else DEFAULT_PAUSE
    return now + min(pause, LONGEST_PAUSE)


def error_of(answer: Answer, *, call: str, now: datetime) -> ProviderError | None:
    """The error that the answer's status stands for; None for a 2xx. `call` names the route, with {…} for what is filled in."""
    status = answer.status
    if 200 <= status < 300:
        return None
    said = f"{call} answered {status}"
    code = _error_code(answer)
    if status == 429:
        when = retry_at(answer.headers, now)
        more = {"code": code} if code else {}
        return RateLimitedError(
            f"{said}: too many requests; wait until {when:%H:%M:%S} UTC", retry_at=when, **more
        )
    meaning = _MEANINGS.get(status) or next(meaning for floor, meaning in _FAMILIES if status >= floor)
    # A call that names neither number nor chat asks for nothing that could be gone.
    kind, words, fix = _NO_API if status == 404 and "{" not in call else meaning
    return kind(f"{said}: {words}", fix=fix, status=status, code=code)


def decoded(answer: Answer, *, call: str) -> Any:  # noqa: ANN401 - JSON
    """The JSON of a 2xx answer. Raises BadAnswerError."""
    flaw = answer.flaw
    if not flaw:
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(answer.body)
        # It refuses half a surrogate pair, say in the name of one chat: that must not cost a whole page.
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            flaw = "is not JSON"
    # Out here, because a JSON error holds the whole document.
    raise BadAnswerError(f"{call} answered {answer.status}, but the body {flaw}", status=answer.status)


def listed(answer: Answer, parse: Callable[[object], _T], *, call: str) -> list[_T]:
    """What `parse` makes of each item of a 2xx answer's list. Raises BadAnswerError."""
    items = decoded(answer, call=call)
    if not isinstance(items, list):
        raise BadAnswerError(f"{call} answered with something else than a list")
    return list(map(parse, items))


def _error_code(answer: Answer) -> str | None:
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    code = body.get("errorCode") if isinstance(body, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None
