"""How the web process answers: small JSON documents, nothing that a browser would run or keep, and no word of what broke."""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chat_hygiene.core.errors import DatabaseError

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_log = structlog.get_logger(__name__)


def json_answer(status: int, content: object) -> Response:
    """A JSON document."""
    return JSONResponse(content, status, headers=HEADERS)


def text_answer(body: bytes, media_type: str) -> Response:
    """A text, with 200."""
    return Response(body, headers=HEADERS | {"Content-Type": media_type})


def no_content() -> Response:
    """204."""
    return Response(status_code=204, headers=HEADERS)


def error_answer(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An error: its status and the words that every server has for it."""
    answer = json_answer(status, {"error": HTTPStatus(status).phrase})
    answer.headers.update(headers or {})
    return answer


async def on_http_error(_request: Request, error: Exception) -> Response:
    """For unknown paths and wrong methods."""
    if not isinstance(error, HTTPException):
        raise error
    return error_answer(error.status_code, error.headers)


async def on_database_error(_request: Request, error: Exception) -> Response:
    """For whatever cannot be done while the database cannot be used: the caller comes again."""
    if not isinstance(error, DatabaseError):
        raise error
    _log.warning("a request could not be served", error=str(error))
    return error_answer(503, {"Retry-After": "10"})


async def on_bug(_request: Request, _error: Exception) -> Response:
    """For everything else; the server logs it."""
    return error_answer(500)
