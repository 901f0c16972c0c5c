"""`audit export`, `audit head` and `audit purge`: what of the audit goes to a file, and what goes for good."""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.audit import FIELDS, event_document
from chat_hygiene.cli.naming import ChatOption
from chat_hygiene.cli.output import JSON_VERSION, JsonOption, Output, YesOption, count, instant, plain
from chat_hygiene.core.cells import shown_only
from chat_hygiene.core.errors import InvalidInputError, UsageError


class Format(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSONL = "jsonl"


FormatOption = Annotated[Format, typer.Option("--format", help="csv, or one JSON object a line.")]


def export(
    format_: FormatOption = Format.CSV,
    out: Annotated[Path | None, typer.Option(help="A new file; without it, stdout.")] = None,
    chat: ChatOption = None,
    as_json: JsonOption = False,
) -> None:
    """Writes every event, oldest first; the export itself is an event too. --json is --format jsonl.

    Exit codes: 0 done, 3 the file exists already or cannot be written.
    """
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import auditing

    with wiring.open_ledger(settings) as ledger, _target(out) as file:
        number = _write(file, Format.JSONL if as_json else format_, auditing.export(ledger, chat=chat))
    Output().good(f"{count(number, 'event')} exported")


def head(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A new file; without it, stdout.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Seals, and writes where the chain ends now: a small signed file to keep where nobody can change it with the ledger.

    `audit verify --head FILE` then also shows that the ledger was emptied, cut, or replaced by an older copy. Best done
    each day, to another machine. The file is JSON; --json writes it to stdout, too.

    Exit codes: 0 done, 2 the file exists already or cannot be written, 8 the audit does not verify.
    """
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import auditing

    with wiring.open_ledger(settings) as ledger:
        found = auditing.head(ledger)
        if out is not None:
            auditing.save_head(ledger, found, out)
            Output().good(f"{out}: the head after {count(found.position, 'event')}")
        if out is None or as_json:
            sys.stdout.write(auditing.write_head(ledger, found).decode())


def purge(
    before: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Remove less: only what is from before that day (UTC), such as 2023-12-24.",
        ),
    ] = None,
    export_: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="First writes what will go to a new file."),
    ] = None,
    format_: FormatOption = Format.CSV,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Removes the oldest events for good: those older than AUDIT_KEPT_SECONDS. The rest still verifies.

    A signed checkpoint stays in their place, and the purge is an event itself. With PostgreSQL it takes the role that owns
    the tables: the application's may remove nothing.

    Exit codes: 0 done, 2 not confirmed, 3 the file cannot be written, or this role may not, 8 the audit does not verify.
    """
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import auditing

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        day = None if before is None else _day(before)
        found = auditing.oldest(ledger, before=day)
        if found.events:
            if export_ is None:
                output.warn("what goes is gone: --export FILE keeps a copy")
            output.confirm(
                f"Remove {count(found.events, 'event')} of before {found.before:%Y-%m-%d}?", yes=yes
            )
        if export_ is not None and found.events:
            with _target(export_) as file:
                _write(file, format_, auditing.export_oldest(ledger, found))
            output.good(f"{export_}: {count(found.events, 'event')} exported")
        with output.progress() as show:
            gone = auditing.purge(ledger, found, lambda done: show("Purging", done, found.events))
    if as_json:
        output.document(
            "audit.purge", before=found.before, purged=gone, export=str(export_) if export_ else None
        )
    elif gone:
        output.good(f"{count(gone, 'event')} purged; what is left verifies from a signed checkpoint on")
    else:
        output.good(f"nothing is older than {instant(found.before)}: nothing to do")


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"{text} is no date", fix="write it like 2024-12-24") from None


@contextmanager
def _target(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    try:
        file = out.open("x", encoding="utf-8", newline="")
    except OSError as error:
        raise InvalidInputError(f"{out} cannot be written: {error.strerror}", fix="name a new file") from None
    with file:
        yield file
        file.flush()
        os.fsync(file.fileno())  # what was exported may be removed next


Write = Callable[[Mapping[str, Any]], object]


def _write(file: TextIO, format_: Format, rows: Iterable[Mapping[str, Any]]) -> int:
    write, number = _WRITERS[format_](file), 0
    for row in rows:
        write(row)
        number += 1
    return number


def _csv(file: TextIO) -> Write:
    writer = csv.writer(file)
    writer.writerow(FIELDS)
    return lambda row: writer.writerow([shown_only(plain(row[name])) for name in FIELDS])


def _jsonl(file: TextIO) -> Write:
    first = {"version": JSON_VERSION, "kind": "audit.event"}
    return lambda row: file.write(
        json.dumps(first | event_document(row), default=plain, ensure_ascii=False) + "\n"
    )


_WRITERS = {Format.CSV: _csv, Format.JSONL: _jsonl}
