"""The audit as a whole: exported, verified, its head kept elsewhere, and its oldest part purged."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from chat_hygiene.core.errors import InvalidInputError, UsageError
from chat_hygiene.core.events import Event
from chat_hygiene.pipeline import audit_head, audit_purge, seal
from chat_hygiene.pipeline.audit_head import Head
from chat_hygiene.store import audit, checkpoints, files, seals, verifying
from chat_hygiene.store.chain import Chain
from chat_hygiene.store.checkpoints import Oldest
from chat_hygiene.store.records import Record
from chat_hygiene.store.verifying import Progress, Verdict
from chat_hygiene.wiring.ledger import Ledger
from chat_hygiene.wiring.naming import pseudonyms_of

__all__ = ["Head", "Oldest", "Verdict"]

_EXPORT_BATCH = 1000


def export(ledger: Ledger, *, chat: str | None = None) -> Iterator[Record]:
    """Every event, or those of one chat, oldest first, in flat memory; the export is an event itself, and sealed."""
    refs = None if chat is None else pseudonyms_of(ledger, chat)
    _tell(ledger, "all" if chat is None else "one chat")
    yield from _events(ledger, refs, after=0, through=None)


def verify_audit(
    ledger: Ledger, progress: Progress | None = None, *, exported: Head | None = None
) -> Verdict:
    """Whether the audit holds, event by event, and the head that was exported once with it."""
    with ledger.reading() as session:
        link = None if exported is None else exported.link
        return verifying.verify(session, ledger.context.keys.audit_key, progress, exported=link)


def head(ledger: Ledger) -> Head:
    """Where the chain ends, once everything is sealed. Raises AuditBrokenError."""
    seal.run(ledger.context)
    key = ledger.context.keys.audit_key
    with ledger.reading() as session:
        return audit_head.make(seals.marks(session, Chain(key)).head, key, now=ledger.now())


def write_head(ledger: Ledger, found: Head) -> bytes:
    """The bytes of a head's file."""
    return audit_head.write(found, ledger.context.keys.audit_key)


def save_head(ledger: Ledger, found: Head, file: Path) -> None:
    """Writes a head to a new file, for its owner's eyes only. Raises UsageError; nothing is ever written over."""
    try:
        new = files.write_new(file, write_head(ledger, found))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", fix="name another file") from None
    if not new:
        raise UsageError(
            f"{file} is there already, and nothing is written over", fix="name another file, or remove it"
        )


def load_head(ledger: Ledger, file: Path) -> Head:
    """The head in a file, proven to be as it was exported. Raises InvalidInputError or AuditBrokenError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"{file} cannot be read: {error.strerror}", fix="chat-hygiene audit head --out FILE makes one"
        ) from None
    return audit_head.read(data, ledger.context.keys.audit_key, source=str(file))


def oldest(ledger: Ledger, *, before: datetime | None) -> Oldest:
    """What a purge would remove: what is older than `AUDIT_KEPT_SECONDS`, or than `before`, which may not be later.

    Raises UsageError when it is later, InvalidInputError when this database role may remove nothing, AuditBrokenError.
    """
    kept = ledger.settings.audit_kept_seconds
    latest = ledger.now() - kept
    if before is not None and before > latest:
        raise UsageError(
            f"the audit is kept for {kept.days} days: what is from {latest:%Y-%m-%d} on stays",
            fix="name an earlier date, or set CHAT_HYGIENE_AUDIT_KEPT_SECONDS to less for good",
        )
    with ledger.reading() as session:
        if not checkpoints.allowed(session):
            raise InvalidInputError(
                "this database role may not remove audit events: only the owner of the tables may",
                fix="set CHAT_HYGIENE_DATABASE_URL to the owner's for this one command, as for `db upgrade`",
            )
        return checkpoints.oldest(session, ledger.context.keys.audit_key, before=before or latest)


def export_oldest(ledger: Ledger, found: Oldest) -> Iterator[Record]:
    """The events that a purge would remove, oldest first, in flat memory; that is an event too."""
    _tell(ledger, "purge")
    yield from _events(ledger, None, after=found.after, through=found.seq)


def purge(ledger: Ledger, found: Oldest, progress: Callable[[int], None]) -> int:
    """Removes these events for good, and seals; returns how many. `progress` gets how many are gone so far.

    Raises AuditBrokenError when they do not verify: they stay.
    """
    return audit_purge.run(ledger.context, through=found.position, now=ledger.now(), progress=progress)


def _events(ledger: Ledger, refs: list[str] | None, *, after: int, through: int | None) -> Iterator[Record]:
    while True:
        with ledger.reading() as session:
            rows = audit.find(session, chat_refs=refs, after=after, through=through, limit=_EXPORT_BATCH)
        yield from rows
        if len(rows) < _EXPORT_BATCH:
            return
        after = rows[-1]["seq"]


def _tell(ledger: Ledger, scope: str) -> None:
    with ledger.writing() as session:
        audit.append(
            session, Event.AUDIT_EXPORTED, at=ledger.now(), actor=ledger.settings.actor, detail={"of": scope}
        )
