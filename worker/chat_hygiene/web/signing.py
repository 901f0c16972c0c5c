"""What the page gives out and takes back only as it was given: sessions, form tokens, and what a page says after a write."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any


class Signer:
    """Signs with keys of its own, made from the audit's: whoever learns one of them learns nothing of that."""

    def __init__(self, audit_key: bytes) -> None:
        self._key = hmac.digest(audit_key, b"chat-hygiene page", hashlib.sha256)

    @property
    def name(self) -> str:
        """Tells this ledger's cookies from those of another on the same machine, which browsers do not tell apart by port."""
        return self._mac("name", b"").hex()[:8]

    def sign(self, purpose: str, content: Mapping[str, object]) -> str:
        """A text for a cookie."""
        body = json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()
        return f"{_text(body)}.{_text(self._mac(purpose, body))}"

    def read(self, purpose: str, text: str | None) -> dict[str, Any] | None:
        """What was signed for this purpose; None for anything else."""
        body, _, mac = (text or "").partition(".")
        try:
            given, content = _bytes(mac), _bytes(body)
        except ValueError:
            return None
        if not hmac.compare_digest(given, self._mac(purpose, content)):
            return None
        found: dict[str, Any] = json.loads(content)
        return found

    def token(self, purpose: str, of: str) -> str:
        """A text that only we can make of `of`."""
        return self._mac(purpose, of.encode(errors="surrogatepass")).hex()

    def is_token(self, given: str, purpose: str, of: str) -> bool:
        """Whether `given` is that text."""
        return hmac.compare_digest(given.encode(errors="surrogatepass"), self.token(purpose, of).encode())

    def _mac(self, purpose: str, content: bytes) -> bytes:
        return hmac.digest(self._key, purpose.encode() + b"\0" + content, hashlib.sha256)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
