"""How the web process answers machines: small JSON documents, nothing that a browser would run or keep."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse, Response

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


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
