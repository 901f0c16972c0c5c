"""`hold`: what stays, whatever any policy says: a chat, every chat with a label, or every chat of a number."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chat_hygiene.cli import start, when
from chat_hygiene.cli.jobs import ReasonOption
from chat_hygiene.cli.naming import ChatOrNone
from chat_hygiene.cli.output import JsonOption, Output, YesOption, count, instant, name_of
from chat_hygiene.core.errors import UsageError

if TYPE_CHECKING:
    from chat_hygiene.wiring.holding import Placed

app = typer.Typer(no_args_is_help=True, help="Legal holds: what stays, whatever any policy says.")

_FIELDS = (
    *("id", "scope", "chat_ref", "chat_hint", "label", "device", "state", "reason"),
    *("held_by", "placed_at", "until", "released_at", "released_by"),
)
_SHOWN = 10


@app.command()
def add(
    reason: ReasonOption,
    chat: ChatOrNone = None,
    label: Annotated[
        str | None, typer.Option("--label", help="Every chat with it, written exactly so.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Every chat of this number (id or alias).")
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", metavar="DEVICE", help="With CHAT or --label: on this number only.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help=f"Until then: {when.FORMS}.")
    ] = None,
    lasting: Annotated[str | None, typer.Option("--for", metavar="30d", help="For so long from now.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Keeps chats from being deleted until it is released, or until its end if it has one.

    It wins over every policy from the moment it is placed, and takes what it covers off the list. What is in flight already is told: it is too late for that. A number is held on all of the account's numbers, also where it has no chat yet.

    Exit codes: 0 done, 2 it names nothing that could be held, or an end that is past.
    """
    if sum(each is not None for each in (chat, label, device)) != 1:
        raise UsageError(
            "name one of: a chat, --label, --device", fix="chat-hygiene hold add CHAT --reason TEXT"
        )
    if device is not None and on is not None:
        raise UsageError("--on goes with a chat or --label", fix="--device alone holds every chat of it")
    if until is not None and lasting is not None:
        raise UsageError("--until and --for both say when it ends", fix="write one of them")
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import holding

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        end = until or lasting
        at = None if end is None else when.parse(end, now=ledger.now())
        aim = holding.aim(ledger, chat=chat, label=label, device=device, on=on)
        with output.progress() as show:
            placed = holding.place(
                ledger,
                aim,
                reason=reason,
                until=at,
                progress=lambda done, of: show("Taking jobs off the list", done, of),
            )
    if as_json:
        output.document(
            "hold.add",
            holds=[document(row) for row in placed.holds],
            new=placed.new,
            stored=placed.stored,
            cancelled=placed.cancelled + placed.at_the_gate,
            too_late=placed.too_late,
        )
    else:
        _say_placed(output, placed)
    _say_too_late(output, placed)


@app.command("list")
def list_(
    everything: Annotated[
        bool, typer.Option("--all", help="Those that were released or whose end came, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Lists the holds that are in force, the newest first."""
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import holding

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        rows = holding.listed(ledger, ended=everything)
    if as_json:
        output.document("hold.list", holds=[document(row) for row in rows])
        return
    output.table(
        ["Hold", "Holds", "State", "Since (UTC)", "Until (UTC)", "By", "Because"],
        (
            [
                *(row["id"], _words(row), row["state"], row["placed_at"]),
                *(row["released_at"] or row["until"], row["held_by"], row["reason"]),
            ]
            for row in rows
        ),
        empty="nothing is held",
    )


@app.command()
def release(
    holds: Annotated[list[int], typer.Argument(metavar="HOLD...", help="Their numbers.")],
    reason: ReasonOption,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ends holds, after it has said what they hold and asked. Nothing leaves at once: what matches again is queued by its policy's next run, with a fresh grace of a day at least.

    Exit codes: 0 done, 2 not confirmed, or a hold that is not in force: then nothing is changed.
    """
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import holding

    output, ids = Output(as_json=as_json), list(dict.fromkeys(holds))
    with wiring.open_ledger(settings) as ledger:
        for row in holding.active(ledger, ids):
            output.say(f"hold {row['id']} keeps {_words(row)}, placed by {row['held_by']}: {row['reason']}")
        output.confirm("Let policies delete these chats again?", yes=yes)
        rows = holding.release(ledger, ids, reason=reason)
    if as_json:
        output.document("hold.release", holds=[document(row) for row in rows])
        return
    _say_released(output, rows)


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A hold for `--json`: no number."""
    return {name: row[name] for name in _FIELDS}


def _say_placed(output: Output, placed: "Placed") -> None:
    for row in placed.holds:
        stands = "placed" if row["id"] in placed.new else "was there already"
        output.good(f"hold {row['id']} {stands}: {_words(row)}, {_until(row)}")
    if not placed.stored:
        output.say("  no such chat is stored on any of these numbers: should it come, it is held")
    if gone := placed.cancelled + placed.at_the_gate:
        output.say(f"  {count(gone, 'job')} taken off the list")


def _say_too_late(output: Output, placed: "Placed") -> None:
    if not placed.too_late:
        return
    output.warn(f"TOO LATE for {count(len(placed.too_late), 'chat')}: in flight when the hold was placed")
    for job in placed.too_late[:_SHOWN]:
        output.say(f"  {job['chat_hint']}: chat-hygiene jobs show {job['id']} tells how it ends")
    if (more := len(placed.too_late) - _SHOWN) > 0:
        output.say(f"  and {more:,} more: --json lists them")


def _say_released(output: Output, rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        output.good(f"hold {row['id']} released: {_words(row)}")
    output.say(
        "  What matches a policy again is queued by its next run, and leaves after the policy's grace, a day at the earliest."
    )


def _words(row: Mapping[str, Any]) -> str:
    on = f" on {name_of(row['alias'], row['device'])}" if row["device"] else ""
    if row["scope"] == "chat":
        return f"the chat {row['chat_hint'] or row['chat_ref']}{on}"
    if row["scope"] == "label":
        return f"every chat labelled {row['label']}{on}"
    return f"every chat{on}"


def _until(row: Mapping[str, Any]) -> str:
    return "until it is released" if row["until"] is None else f"until {instant(row['until'])}"
