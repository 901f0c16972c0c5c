"""`audit`: the append-only trail, listed, exported and verified. Chats appear as pseudonyms only."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.naming import ChatOption
from chat_hygiene.cli.output import JSON_VERSION, JsonOption, LimitOption, Output, count, plain
from chat_hygiene.core.errors import Exit, InvalidInputError

app = typer.Typer(
    no_args_is_help=True, help="The audit trail: what was done, when, by whom, under which rule."
)

FIELDS = (
    *(
        "seq",
        "at",
        "kind",
        "actor",
        "policy",
        "policy_version",
        "run_id",
        "job_id",
        "device",
        "chat_ref",
        "outcome",
    ),
    "detail",
)


class Format(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSONL = "jsonl"


def event_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """An event for `--json`; `detail` as the document that it is."""
    document = {name: row[name] for name in FIELDS}
    if document["detail"] is not None:
        document["detail"] = json.loads(document["detail"])
    return document


def event_table(output: Output, rows: Iterable[Mapping[str, Any]], *, most: int | None = None) -> None:
    """Events as a table."""
    output.table(
        ["When (UTC)", "What", "By", "Policy", "Detail"],
        (
            [
                f"{row['at']:%Y-%m-%d %H:%M:%S}",
                row["kind"],
                row["actor"],
                row["policy"],
                _words(row["detail"]),
            ]
            for row in rows
        ),
        empty="no events",
        most=most,
        whole=("When (UTC)", "What"),
    )


def _words(detail: str | None) -> str | None:
    if detail is None:
        return None
    return ", ".join(f"{name} {value}" for name, value in json.loads(detail).items() if value is not None)


@app.command("list")
def list_(
    chat: ChatOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists events, newest first. A number given with --chat is turned into its pseudonyms and kept nowhere."""
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        rows = list(wiring.audit_events(ledger, chat=chat, limit=output.most(limit)))
    if as_json:
        output.document("audit.list", events=[event_document(row) for row in rows])
    else:
        event_table(output, rows, most=output.most(limit))


@app.command()
def export(
    format_: Annotated[Format, typer.Option("--format", help="csv, or one JSON object a line.")] = Format.CSV,
    out: Annotated[Path | None, typer.Option(help="A new file; without it, stdout.")] = None,
    chat: ChatOption = None,
    as_json: JsonOption = False,
) -> None:
    """Writes every event, oldest first; the export itself is an event too. --json is --format jsonl.

    Exit codes: 0 done, 3 the file exists already or cannot be written.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    with wiring.open_ledger(settings) as ledger, _target(out) as file:
        number = 0
        write = _WRITERS[Format.JSONL if as_json else format_](file)
        for row in wiring.export_audit(ledger, chat=chat):
            write(row)
            number += 1
    Output().good(f"{count(number, 'event')} exported")


@app.command()
def verify(as_json: JsonOption = False) -> None:
    """Recomputes the whole chain with the audit key: was any sealed event edited, removed, inserted or moved?

    Events that are not sealed yet are counted as not yet proven; that is no error.

    Exit codes: 0 it holds, 8 it does not.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger, output.progress() as show:
        verdict = wiring.verify_audit(ledger, lambda done: show("Verifying", done, None))
    if as_json:
        output.document("audit.verify", **asdict(verdict))
    elif verdict.ok:
        tail = f"; {verdict.unsealed:,} more not yet proven" if verdict.unsealed else ""
        output.good(f"the audit holds: {count(verdict.sealed, 'event')} proven{tail}")
    else:
        output.failed(f"the audit does not verify: {verdict.problem}")
        output.say("  → keep the database as it is, and compare it with a backup or an export")
    raise typer.Exit(Exit.DONE if verdict.ok else Exit.AUDIT_BROKEN)


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


Write = Callable[[Mapping[str, Any]], object]


def _csv(file: TextIO) -> Write:
    writer = csv.writer(file)
    writer.writerow(FIELDS)
    return lambda row: writer.writerow([plain(row[name]) for name in FIELDS])


def _jsonl(file: TextIO) -> Write:
    head = {"version": JSON_VERSION, "kind": "audit.event"}
    return lambda row: file.write(
        json.dumps(head | event_document(row), default=plain, ensure_ascii=False) + "\n"
    )


_WRITERS = {Format.CSV: _csv, Format.JSONL: _jsonl}
