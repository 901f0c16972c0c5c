"""Documents that leave the ledger and come back: JSON with a signature, so that nobody without the key can have written them."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

SIGNATURE = "signature"


def write(document: Mapping[str, Any], key: bytes) -> bytes:
    """The bytes of its file. The signature is an HMAC-SHA256 over the canonical JSON of everything else."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    signature = hmac.digest(key, canonical.encode(), hashlib.sha256).hex()
    return f"{json.dumps({**document, SIGNATURE: signature}, indent=2)}\n".encode()


def parse(data: bytes, kind: str) -> dict[str, Any] | None:
    """The document in these bytes, without its signature; None when they are no document of that kind."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("kind") != kind:
        return None
    document.pop(SIGNATURE, None)
    return document


def holds(document: Mapping[str, Any], data: bytes, key: bytes) -> bool:
    """Whether `write` made these bytes of that document with this key: what a person read is what was signed."""
    return hmac.compare_digest(write(document, key), data)
