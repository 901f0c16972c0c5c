"""Reading what a request brings: never more than a cap, whatever length was announced, and never for long."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

BODY_SECONDS = 10.0
MAX_FORM = 16 * 1024
_MAX_FIELDS = 50


async def read_body(request: Request, most: int) -> bytes:
    """The body. Raises HTTPException: 413 for more than `most` bytes, 408 for one that does not come."""
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > most:
        raise HTTPException(413)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise HTTPException(413)
    except (TimeoutError, ClientDisconnect):
        raise HTTPException(408) from None
    return bytes(body)


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form, the last of each name. Raises HTTPException like `read_body`, and 400 or 415 for what is none."""
    if (
        request.headers.get("Content-Type", "").partition(";")[0].strip()
        != "application/x-www-form-urlencoded"
    ):
        raise HTTPException(415)
    body = await read_body(request, MAX_FORM)
    try:
        return dict(
            parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        )
    except ValueError:
        raise HTTPException(400) from None
