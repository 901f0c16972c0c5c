"""The head of the chain as a file to keep elsewhere: whatever the ledger is replaced by later has to hold it. Pure."""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from chat_hygiene.core import signed
from chat_hygiene.core.errors import AuditBrokenError, InvalidInputError
from chat_hygiene.store.chain import Chain, Link

VERSION: Literal[1] = 1
"""Of the file's shape."""
KIND: Literal["audit.head"] = "audit.head"
_MAKE = "chat-hygiene audit head --out FILE makes one"


class Head(BaseModel):
    """How far the chain had come, and when. `key` tells which AUDIT_KEY made it, and nothing about that key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = VERSION
    kind: Literal["audit.head"] = KIND
    position: int
    seq: int
    hash: str
    at: AwareDatetime
    key: str

    @property
    def link(self) -> Link:
        """The place in the chain that it names."""
        return Link(self.position, self.seq, self.hash)


def make(link: Link, key: bytes, *, now: datetime) -> Head:
    """The head of a chain that ends there now."""
    return Head(position=link.position, seq=link.seq, hash=link.hash, at=now, key=Chain(key).fingerprint)


def write(head: Head, key: bytes) -> bytes:
    """The bytes of its file."""
    return signed.write(head.model_dump(mode="json"), key)


def read(data: bytes, key: bytes, *, source: str) -> Head:
    """The head in a file, once it is proven that `write` made it with this key.

    Raises InvalidInputError when it is no head that this program knows, AuditBrokenError when it was altered.
    """
    document = signed.parse(data, KIND)
    if document is None:
        raise InvalidInputError(f"{source} is no exported head of an audit", fix=_MAKE)
    if document.get("version") != VERSION:
        raise InvalidInputError(f"{source} is a head of another version of this program", fix=_MAKE)
    if document.get("key") != (ours := Chain(key).fingerprint):
        raise AuditBrokenError(
            f"{source} was signed with another AUDIT_KEY than this one, whose fingerprint is {ours}",
            fix="verify with the key that it was exported with, or look who wrote that file",
        )
    try:
        head = Head.model_validate(document)
    except ValidationError:
        head = None
    if head is None or not signed.holds(head.model_dump(mode="json"), data, key):
        raise AuditBrokenError(
            f"{source} is not as it was written: it proves nothing", fix="use another copy of it"
        )
    return head
