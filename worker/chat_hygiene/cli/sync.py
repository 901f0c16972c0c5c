"""`sync`: reads the chats of every number into the store. Deletes nothing."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output, mark, name_of
from chat_hygiene.cli.run import watcher
from chat_hygiene.core.errors import Exit

if TYPE_CHECKING:
    from chat_hygiene.pipeline.sync import Report


def sync(
    full: Annotated[
        bool, typer.Option("--full", help="Read every page, not only what changed since the last sync.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Reads the chats of every number of the account into the store; deletes nothing.

    Only a complete sync makes data fresh enough to delete by, and only two of them make a chat missing. One is made by itself once a day.

    Exit codes: 0 done, 3 no API token, 6 the API, or one of the numbers, could not be read.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger, output.progress() as progress:
        report = wiring.sync_once(ledger, full=full, watcher=watcher(progress))
    if as_json:
        output.document("sync", complete=report.complete, devices=[asdict(each) for each in report.devices])
    else:
        show(output, report)
    raise typer.Exit(Exit.DONE if report.complete else Exit.UNREACHABLE)


def show(output: Output, report: "Report") -> None:
    """Prints a line per number."""
    rows = (
        (
            mark(each.problem is None),
            name_of(each.alias, each.device),
            *(each.seen, each.new, each.changed, each.missing),
            each.problem or ("completely" if each.full else "what changed"),
        )
        for each in report.devices
    )
    columns = ["", "Number", "Chats", "New", "Changed", "Missing", "Read"]
    output.table(columns, rows, empty="the account has no numbers")
