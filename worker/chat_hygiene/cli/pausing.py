"""`policy pause` and `policy resume`: a policy whose queue stands still until somebody says otherwise."""

from typing import TYPE_CHECKING, Annotated

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.jobs import ReasonOption
from chat_hygiene.cli.output import JsonOption, Output, YesOption, instant

if TYPE_CHECKING:
    from chat_hygiene.wiring.applying import Thaw

NamesArgument = Annotated[list[str], typer.Argument(metavar="NAME...", help="Stored policies.")]


def pause(names: NamesArgument, reason: ReasonOption, as_json: JsonOption = False) -> None:
    """Freezes policies at once: nothing of them is queued or deleted until `resume`, and what is queued stays as it is.

    The call that is out is finished. Their slots pass without a run. A keep-policy cannot be paused: it would keep nothing.

    Exit codes: 0 paused, now or already, 2 no such policy, or no reason that can stand in the audit: then nothing is done.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        paused = wiring.pause(ledger, names, because=reason, now=ledger.now())
    if as_json:
        output.document("policy.pause", paused=paused)
        return
    for name in dict.fromkeys(names):
        was = "" if name in paused else " already, and stays so"
        output.good(f"{name} is paused{was}: chat-hygiene policy resume {name}")


def resume(
    names: NamesArgument, reason: ReasonOption, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Lets paused policies go on with their next slot. It says how many queued chats leave how soon, and asks.

    Each chat is read and judged again right before it goes. The slots that passed are recorded as not run.

    Exit codes: 0 they go on, or were not paused, 2 not confirmed, or no such policy: then nothing is done.
    """
    output = Output(as_json=as_json)
    settings = start.settings()

    from chat_hygiene import wiring

    with wiring.open_ledger(settings) as ledger:
        thaws = wiring.thaw(ledger, names, now=ledger.now())
        if not as_json:
            for each in thaws:
                output.line(f"{each.policy}: {_leaving(each)}")
        if any(each.leaving is not None for each in thaws):
            output.confirm("Let it go on?", yes=yes)
        resumed = wiring.resume(ledger, names, because=reason, now=ledger.now())
    if as_json:
        output.document("policy.resume", resumed=resumed)
    elif resumed:
        output.good(f"{', '.join(resumed)} {'goes' if len(resumed) == 1 else 'go'} on")


def _leaving(thaw: "Thaw") -> str:
    leaving = thaw.leaving
    if leaving is None:
        return "is not paused"
    if leaving.first_at is None or leaving.now:
        return leaving.words
    return f"{leaving.words}, the first at {instant(leaving.first_at)}"
