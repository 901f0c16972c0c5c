"""`policy history`: who changed a policy, when, why, and what."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output, instant

if TYPE_CHECKING:
    from chat_hygiene.store.versions import Entry


def history(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A policy, also one that was retired.")],
    as_json: JsonOption = False,
) -> None:
    """Shows every version of a policy, newest first, with who stored it, when, why, and what it changed; and its pauses.

    Exit codes: 0 done, 2 there never was such a policy.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        entries = wiring.history(ledger, name)
    if as_json:
        output.document("policy.history", policy=name, history=[_document(each) for each in entries])
        return
    for entry in entries:
        because = "" if entry.because is None else f": {entry.because}"
        version = f"version {entry.version}, " if entry.rule is not None else ""
        output.line(
            f"{instant(entry.at)}  ", Text(f"{version}{entry.what}", style="bold"), f" by {entry.by}{because}"
        )
        if entry.rule is not None:
            output.line(f"    {entry.rule}")
        if entry.rule is not None and entry.policy is None:
            output.line("    this program cannot read its document")
        for difference in entry.differences:
            output.line(f"    {difference.words()}")


def _document(entry: "Entry") -> dict[str, Any]:
    return {
        "at": entry.at,
        "what": entry.what,
        "by": entry.by,
        "reason": entry.because,
        "version": entry.version,
        "rule": entry.rule,
        "document": None if entry.policy is None else entry.policy.to_document(),
        "differences": [
            {"key": each.key, "before": each.before, "after": each.after} for each in entry.differences
        ],
    }
