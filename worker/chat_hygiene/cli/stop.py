"""`stop` and `start`: the one switch that keeps every deletion from going out."""

from typing import Annotated

import typer

from chat_hygiene.cli import start as starting
from chat_hygiene.cli.jobs import ReasonOption
from chat_hygiene.cli.output import JsonOption, Output, YesOption, count


def stop(reason: ReasonOption, as_json: JsonOption = False) -> None:
    """Stops all deleting at once, by every process, until `start`: the call that is out is finished, and no other is made.

    Syncs and evaluations go on, and queue nothing. It holds across restarts.

    Exit codes: 0 stopped, now or already, 2 no reason that can stand in the audit.
    """
    settings = starting.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import stopping

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        now, new = stopping.stop(ledger, reason=reason)
    if as_json:
        output.document("stop", new=new, at=now.at, actor=now.actor, reason=now.reason)
    elif new:
        output.good("deleting is stopped: chat-hygiene start lets it go on")
    else:
        output.good(f"deleting was stopped already, and stays so: {now.words}")


def start(
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, for the audit; without phone numbers.")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Lets deleting go on after `stop`. It says how many deletions are due at once, and asks.

    Exit codes: 0 it goes on, or was not stopped, 2 not confirmed.
    """
    output = Output(as_json=as_json)
    settings = starting.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import stopping

    with wiring.open_ledger(settings) as ledger:
        before, due = stopping.stopped(ledger), 0
        if before is not None:
            due = stopping.due(ledger)
            output.say(f"Deleting is {before.words}.")
            output.confirm(f"Let it go on? {count(due, 'deletion')} {_are(due)} due at once.", yes=yes)
            before = stopping.start(ledger, reason=reason)
    if as_json:
        output.document("start", new=before is not None, due=due)
    elif before is None:
        output.good("deleting was not stopped")
    else:
        output.good(f"deleting goes on: {count(due, 'deletion')} {_are(due)} due")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
