"""The digest of a list of candidates: what exactly was decided about, in a plan, a run and an approval."""

import hashlib
from collections.abc import Iterable

from sqlalchemy import Select, collate
from sqlalchemy.orm import Session

_AT_ONCE = 1000


def digest(candidates: Iterable[tuple[str, int]]) -> str:
    """SHA-256 over the (chat_ref, generation) pairs by chat_ref, a line each. A list has a chat once."""
    return _digest(sorted(candidates))


def digest_of(session: Session, candidates: Select[str, int]) -> str:
    """The same of a statement's rows, in flat memory: the database sorts them."""
    ref, _ = candidates.selected_columns
    # A server's own order may be that of a person's alphabet.
    by_bytes = collate(ref, "C") if session.get_bind().dialect.name == "postgresql" else ref
    rows = candidates.order_by(by_bytes).execution_options(yield_per=_AT_ONCE)
    return _digest(session.execute(rows))


def _digest(ordered: Iterable[tuple[str, int]]) -> str:
    found = hashlib.sha256()
    for ref, generation in ordered:
        found.update(f"{ref} {generation}\n".encode())
    return found.hexdigest()
