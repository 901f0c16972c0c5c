"""Certifying: certificates of jobs and of runs, and checking one without the ledger that it came from."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from chat_hygiene.core.errors import InvalidInputError, UsageError
from chat_hygiene.core.events import Event
from chat_hygiene.pipeline import certificate, seal
from chat_hygiene.pipeline.certificate import Verdict
from chat_hygiene.settings import Settings
from chat_hygiene.store import audit, proofs, run_records
from chat_hygiene.store.keys import load_audit_key
from chat_hygiene.wiring.ledger import Ledger

__all__ = ["Verdict"]

LARGEST = 1024 * 1024
"""Bytes of one certificate: a job has a few dozen events."""
_BATCH = 100
_END = b"}\n"


def of_job(ledger: Ledger, job_id: int) -> bytes:
    """The certificate of a job that has ended. Issuing it is an event.

    Raises UsageError when there is nothing to certify, AuditBrokenError when the job's row or an event was changed.
    """
    seal.run(ledger.context)
    made = certificate.issue(ledger.context, job_id, now=ledger.now())
    _tell(ledger, job_id=job_id)
    return made


def of_run(ledger: Ledger, run_id: int) -> Iterator[bytes]:
    """One certificate for each job of a run that has ended, in flat memory; concatenated they are a file.

    Raises UsageError when there is no such run, or none of its jobs has ended.
    """
    seal.run(ledger.context)
    with ledger.reading() as session:
        if run_records.find(session, run_id) is None:
            raise UsageError(f"there is no run {run_id}", fix="chat-hygiene runs list shows them")
        found = proofs.ended_jobs(session, run_id, after=0, limit=_BATCH)
    if not found:
        raise UsageError(
            f"no job of run {run_id} has ended, so there is nothing to certify yet",
            fix=f"chat-hygiene runs show {run_id} tells where they stand",
        )
    _tell(ledger, run_id=run_id)
    return _of_jobs(ledger, run_id, found)


def save(file: Path, certificates: Iterable[bytes]) -> int:
    """Writes them to a new file, one after the other; returns how many. All of them or no file.

    Raises UsageError when it cannot be written, and never writes over another.
    """
    try:
        stream = file.open("xb")
    except FileExistsError:
        raise taken(file) from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", fix="name another file") from None
    number = 0
    try:
        with stream:
            for each in certificates:
                stream.write(each)
                number += 1
    except BaseException:
        file.unlink()
        raise
    return number


def taken(file: Path) -> UsageError:
    """The error for a file that is there already."""
    return UsageError(f"{file} is there already, and nothing is written over", fix="name a new file")


def check(settings: Settings, file: Path) -> Iterator[Verdict]:
    """Checks every certificate in a file, in its order, with the audit key and nothing else.

    Raises InvalidInputError when the file cannot be read or there is no audit key.
    """
    key = load_audit_key(settings)
    try:
        for data in _certificates(file):
            yield certificate.check(data, key)
    except OSError as error:
        raise InvalidInputError(
            f"{file} cannot be read: {error.strerror}",
            fix="chat-hygiene audit certificate --job JOB --out FILE makes one",
        ) from None


def _of_jobs(ledger: Ledger, run_id: int, found: list[int]) -> Iterator[bytes]:
    while found:
        for job_id in found:
            yield certificate.issue(ledger.context, job_id, now=ledger.now())
        with ledger.reading() as session:
            found = proofs.ended_jobs(session, run_id, after=found[-1], limit=_BATCH)


def _certificates(file: Path) -> Iterator[bytes]:
    with file.open("rb") as lines:
        read = b""
        # Indented JSON: only the end of a whole document stands at the beginning of a line.
        while line := lines.readline(LARGEST):
            read += line
            if line == _END or len(read) > LARGEST:
                yield read
                read = b""
        # What follows the last one is none; neither is a file with nothing in it.
        if read or not lines.tell():
            yield read


def _tell(ledger: Ledger, *, job_id: int | None = None, run_id: int | None = None) -> None:
    with ledger.writing() as session:
        audit.append(
            session,
            Event.CERTIFICATE_ISSUED,
            at=ledger.now(),
            actor=ledger.settings.actor,
            job_id=job_id,
            run_id=run_id,
        )
