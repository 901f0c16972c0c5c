"""`run`: the whole job, once, now."""

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from chat_hygiene.cli import start, summary
from chat_hygiene.cli.output import JsonOption, Output, Show, YesOption

if TYPE_CHECKING:
    from chat_hygiene.wiring import Watcher

_STAGES = {
    "reconcile": "Taking back what was left",
    "sync": "Reading chats",
    "evaluate": "Evaluating policies",
    "delete": "Deleting",
    "seal": "Sealing the audit",
}


def run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Policies; without: every enforcing one.")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Does the whole job once: syncs, evaluates the policies, deletes what is due, and says what happened and why.

    It asks first; without a terminal it needs --yes. A policy that observes deletes nothing. What is due later than in a minute is listed, not waited for.

    Exit codes: 0 done, 2 not confirmed, 5 a safety stop kept something from being deleted, 6 a dependency cannot be reached, 7 some deletions failed.
    """
    output = Output(as_json=as_json)
    output.require_answer(yes=yes)
    settings = start.settings()

    from chat_hygiene import wiring

    with wiring.open_ledger(settings) as ledger:
        chosen = wiring.to_run(ledger, names or [])
        for stored in chosen:
            output.say(
                f"{stored.policy.name} {'deletes' if stored.enforces else 'observes'}: {stored.policy.words()}"
            )
        if not chosen:
            output.warn("no policy enforces: nothing new is queued; what is due already is still worked")
        output.confirm("Delete for good what matches?", yes=yes)
        with output.progress() as progress:
            report = wiring.run_once(ledger, names or [], watcher=watcher(progress))
    if as_json:
        output.document("run", **summary.document(report))
    else:
        summary.show(output, report)
    raise typer.Exit(summary.code(report))


def watcher(show: Show) -> "Watcher":
    """Turns what a run tells into one bar."""
    from chat_hygiene.wiring import Watcher

    read: dict[str, int] = defaultdict(int)
    due = [0]

    def stage(name: str) -> None:
        show(_STAGES[name], 0, None)

    def synced(device: str, seen: int) -> None:
        read[device] = seen
        show(_STAGES["sync"], sum(read.values()), None)

    def queued(number: int) -> None:
        due[0] = number
        show(_STAGES["delete"], 0, number)

    def worked(number: int) -> None:
        # A retry works a job again: the bar never shows more done than there are.
        show(_STAGES["delete"], number, max(number, due[0]))

    return Watcher(stage=stage, synced=synced, queued=queued, worked=worked)
