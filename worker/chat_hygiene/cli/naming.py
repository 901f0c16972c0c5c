"""How a chat is named on the command line, and how full numbers are asked for."""

import sys
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from chat_hygiene.core.errors import UsageError

if TYPE_CHECKING:
    from chat_hygiene.wiring import Ledger


def _typed(chat: str | None) -> str | None:
    """The argument, or for `-` the first line of stdin: a number there is in no history of commands and no list of processes."""
    if chat != "-":
        return chat
    if sys.stdin.isatty():
        line: str = typer.prompt("Chat", hide_input=True, err=True)
    else:
        line = sys.stdin.readline().strip()
    if not line:
        raise UsageError("no chat came in on stdin", fix="write a number, a chat id or a pseudonym there")
    return line


_NAMES = "A phone number, a chat id or a pseudonym (chat_…); - reads it from stdin."

ChatArgument = Annotated[str, typer.Argument(metavar="CHAT", help=_NAMES, callback=_typed)]
ChatOrNone = Annotated[str | None, typer.Argument(metavar="[CHAT]", help=_NAMES, callback=_typed)]
ChatOption = Annotated[
    str | None, typer.Option("--chat", metavar="CHAT", help=f"Only this chat: {_NAMES}", callback=_typed)
]
NumbersOption = Annotated[
    bool,
    typer.Option(
        "--show-numbers", help="Full numbers, where they are still kept. The audit says who looked."
    ),
]


def numbers(
    ledger: "Ledger", chat_refs: Collection[str], *, where: str, shown: bool
) -> Mapping[str, str] | None:
    """Pseudonym to full number of what is about to be shown, in the audit already; None: nobody asked for numbers."""
    if not shown:
        return None
    from chat_hygiene.wiring import revealing

    return revealing.numbers(ledger, chat_refs, where=where)


def numbered(document: dict[str, object], numbers: Mapping[str, str] | None) -> dict[str, object]:
    """A chat's or job's document for `--json`, with its `number` if numbers were asked for; null: none is kept."""
    if numbers is None:
        return document
    return document | {"number": numbers.get(str(document["chat_ref"]))}
