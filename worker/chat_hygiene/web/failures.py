"""What is answered when a request cannot be served: a page to a person, a small document to a machine, and no word of what broke."""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from chat_hygiene.core.errors import AuditBrokenError, DatabaseError, HygieneError
from chat_hygiene.web.answers import error_answer
from chat_hygiene.web.page import MissingError
from chat_hygiene.web.render import Renderer

RETRY_SECONDS = 10

_WORDS = {
    400: "The browser sent what this page cannot read.",
    404: "There is no such page.",
    405: "This page does not take that.",
    408: "What the browser sent did not arrive.",
    413: "What the browser sent is too long.",
    415: "What the browser sent is no form.",
}

_log = structlog.get_logger(__name__)


class Failures:
    """The handlers, for `Starlette(exception_handlers=…)`."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def http(self, request: Request, error: Exception) -> Response:
        """Unknown paths, wrong methods, and what the door refuses."""
        if not isinstance(error, HTTPException):
            raise error
        own_words = error.detail != HTTPStatus(error.status_code).phrase
        says = error.detail if own_words else _WORDS.get(error.status_code, "")
        return self._answer(request, error.status_code, says, headers=error.headers)

    async def refused(self, request: Request, error: Exception) -> Response:
        """What cannot be shown as it was asked for."""
        if not isinstance(error, HygieneError):
            raise error
        match error:
            case MissingError():
                status = 404
            case AuditBrokenError():
                status = 500
            case _:
                status = 422
        return self._answer(request, status, _sentence(str(error)), fix=error.fix)

    async def database(self, request: Request, error: Exception) -> Response:
        """Whatever cannot be done while the database cannot be used: the caller comes again."""
        if not isinstance(error, DatabaseError):
            raise error
        _log.warning("a request could not be served", error=str(error))
        says = "The database cannot be used just now; the log says why."
        if request.method == "POST":
            says += " It may be done all the same: look before you do it again."
        return self._answer(request, 503, says, headers={"Retry-After": str(RETRY_SECONDS)})

    async def bug(self, request: Request, _error: Exception) -> Response:
        """Everything else; the server logs it."""
        return self._answer(request, 500, "Something broke here; the log says what.")

    def _answer(
        self,
        request: Request,
        status: int,
        says: str,
        *,
        fix: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        if "text/html" not in request.headers.get("Accept", ""):
            return error_answer(status, headers)
        again = RETRY_SECONDS if status == 503 and request.method == "GET" else None
        answer = self._renderer.error(status, HTTPStatus(status).phrase, says, fix=fix, again=again)
        answer.headers.update(headers or {})
        return answer


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
