"""`audit`: the append-only trail, listed and verified. Chats appear as pseudonyms only."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chat_hygiene.cli import certificate as certificates
from chat_hygiene.cli import start
from chat_hygiene.cli.certificate import CertificateOption
from chat_hygiene.cli.naming import ChatOption
from chat_hygiene.cli.output import JsonOption, LimitOption, Output, count, instant
from chat_hygiene.core.errors import Exit, UsageError

if TYPE_CHECKING:
    from chat_hygiene.wiring.auditing import Head, Verdict

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
def verify(
    head: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A head that `audit head` wrote: the chain has to hold it."),
    ] = None,
    certificate: CertificateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recomputes the whole chain with the audit key: was any sealed event edited, removed, inserted or moved?

    That the whole ledger was emptied, or replaced by an older copy, cannot be seen in it: --head shows it. Events that
    are not sealed yet are counted as not yet proven; that is no error.

    With --certificate nothing but that file is read, and no database is opened: each byte of it is checked.

    Exit codes: 0 it holds, 3 the file is no head or cannot be read, 8 it does not hold, or the file was altered.
    """
    if certificate is not None:
        if head is not None:
            raise UsageError("--head and --certificate check different things", fix="name one of them")
        certificates.verify(certificate, as_json=as_json)
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import auditing

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger, output.progress() as show:
        exported = None if head is None else auditing.load_head(ledger, head)
        verdict = wiring.verify_audit(
            ledger, lambda done, total: show("Verifying", done, total), exported=exported
        )
    if as_json:
        output.document("audit.verify", **asdict(verdict))
    elif verdict.ok:
        _say_what_holds(output, verdict, exported)
    else:
        output.failed(f"the audit does not verify: {verdict.problem}")
        output.say("  → keep the database as it is, and compare it with a backup or an export")
    raise typer.Exit(Exit.DONE if verdict.ok else Exit.AUDIT_BROKEN)


def _say_what_holds(output: Output, verdict: "Verdict", exported: "Head | None") -> None:
    tail = f"; {verdict.unsealed:,} more not yet proven" if verdict.unsealed else ""
    output.good(f"the audit holds: {count(verdict.sealed, 'event')} proven{tail}")
    if verdict.purged:
        gone = f"the {verdict.purged:,} before them were" if verdict.purged > 1 else "the one before them was"
        output.say(f"  {gone} purged on {instant(verdict.purged_at)}")
    if exported is None:
        output.say("  → was it emptied, or replaced by an older copy? --head FILE tells, see audit head")
    elif verdict.head == "proven":
        ends = (
            f"event {exported.seq}, position {exported.position:,}"
            if exported.position
            else "before the first event"
        )
        output.good(f"the head of {instant(exported.at)} is on it: {ends}")
    else:
        output.warn(
            f"the head of {instant(exported.at)} proves nothing any more: its event was purged; export a new one"
        )
