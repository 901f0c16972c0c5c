"""`sync`: reads the chats of every number into the store. Deletes nothing."""

from collections import defaultdict
from dataclasses import asdict
from typing import Annotated

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output, mark, name_of
from chat_hygiene.core.errors import Exit


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
    with wiring.open_ledger(settings) as ledger, output.progress() as show:
        read: dict[str, int] = defaultdict(int)

        def synced(device: str, seen: int) -> None:
            read[device] = seen
            show("Reading chats", sum(read.values()), None)

        report = wiring.sync_once(ledger, full=full, watcher=wiring.Watcher(synced=synced))
    if as_json:
        output.document("sync", complete=report.complete, devices=[asdict(each) for each in report.devices])
    else:
        columns = ["", "Number", "Chats", "New", "Changed", "Missing", "Read"]
        rows = (
            (
                mark(each.problem is None),
                name_of(each.alias, each.device),
                *(each.seen, each.new, each.changed, each.missing),
                each.problem or ("completely" if each.full else "what changed"),
            )
            for each in report.devices
        )
        output.table(columns, rows, empty="the account has no numbers")
    raise typer.Exit(Exit.DONE if report.complete else Exit.UNREACHABLE)
