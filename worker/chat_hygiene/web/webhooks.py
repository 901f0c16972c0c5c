"""`POST /webhooks/TOKEN`: the provider tells that something changed.

To whoever does not know the token it is any unknown path. Whoever knows it can make chats be read again, and nothing
else.
"""

import hashlib
import hmac
import json

import structlog
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from chat_hygiene.web.answers import error_answer, no_content
from chat_hygiene.web.bodies import read_body
from chat_hygiene.web.desk import Desk
from chat_hygiene.wiring.hinting import hear

MAX_BODY = 256 * 1024
SIGNATURE = "X-Wassenger-Signature"

_log = structlog.get_logger(__name__)


class Webhooks:
    """The endpoint. `hmac_key`: then the body must be signed, too."""

    def __init__(self, desk: Desk, token: SecretStr, hmac_key: SecretStr | None) -> None:
        self._desk = desk
        self._token = token
        self._hmac_key = hmac_key

    async def receive(self, request: Request) -> Response:
        """204 once the hint is stored, or when there was none; 400, 401, 404, 408 or 413 without a look at the database."""
        given = request.path_params["token"].encode(errors="surrogatepass")
        if not hmac.compare_digest(given, self._token.get_secret_value().encode()):
            raise HTTPException(404)
        body = await read_body(request, MAX_BODY)
        if not self._signed(request, body):
            _log.warning("a webhook was refused: its signature is missing or wrong")
            return error_answer(401)
        try:
            event = json.loads(body)
        except (ValueError, RecursionError):
            return error_answer(400)
        if not isinstance(event, dict):
            return error_answer(400)
        await self._desk.ask(lambda ledger: hear(ledger, event, now=ledger.now()))
        return no_content()

    def _signed(self, request: Request, body: bytes) -> bool:
        if self._hmac_key is None:
            return True
        digest = hmac.digest(self._hmac_key.get_secret_value().encode(), body, hashlib.sha256)
        given = request.headers.get(SIGNATURE, "").encode("latin-1")
        return hmac.compare_digest(given, f"sha256={digest.hex()}".encode())
