"""`run`: the whole job, once, now; with a plan, for its chats alone."""

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chat_hygiene.cli import policy, preview, start, summary
from chat_hygiene.cli.output import JsonOption, Output, Show, YesOption, count, instant
from chat_hygiene.core.errors import UsageError

if TYPE_CHECKING:
    from chat_hygiene.pipeline.plan import Plan
    from chat_hygiene.wiring import Ledger, Watcher

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
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            metavar="FILE",
            help="Delete only chats that this plan of preview --out lists, and of them only those that still match.",
        ),
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Does the whole job once: syncs, evaluates the policies, deletes what is due, and says what happened and why.

    It asks first; without a terminal it needs --yes. A policy that observes deletes nothing. What is due later than in a minute is listed, not waited for.

    With --plan it takes the plan's policies as they stood then, or refuses; limits and canary are not asked, because somebody looked at the list. Whatever dropped out since is named with the clause that keeps it.

    Exit codes: 0 done, 2 not confirmed, 3 the file is no plan, 5 a safety stop kept something from being deleted, or the plan was altered or is out of date, 6 a dependency cannot be reached, 7 some deletions failed.
    """
    output = Output(as_json=as_json)
    if plan is not None and names:
        raise UsageError("a plan names its policies itself", fix=f"chat-hygiene run --plan {plan}")
    output.require_answer(yes=yes)
    settings = start.settings()

    from chat_hygiene import wiring

    with wiring.open_ledger(settings) as ledger:
        planned = None if plan is None else wiring.load_plan(ledger, plan)
        question = (
            _announce(output, ledger, names or [])
            if planned is None
            else _announce_plan(output, ledger, planned)
        )
        output.confirm(question, yes=yes)
        with output.progress() as progress:
            report = wiring.run_once(ledger, names or [], watcher=watcher(progress), plan=planned)
    if as_json:
        output.document("run", **summary.document(report), plan=_plan_document(planned, plan))
    else:
        summary.show(output, report, planned=planned is not None)
    raise typer.Exit(summary.code(report))


def _announce(output: Output, ledger: "Ledger", names: list[str]) -> str:
    from chat_hygiene import wiring

    chosen = wiring.to_run(ledger, names)
    for stored in chosen:
        does = policy.does(stored.policy) if stored.state == "active" else f"is {stored.state}"
        output.say(f"{stored.policy.name} {does}: {stored.policy.words()}")
    policy.warn_unreadable(output, [] if names else wiring.unreadable(ledger))
    if not chosen:
        output.warn("no policy enforces: nothing new is queued; what is due already is still worked")
    return "Delete for good what matches?"


def _announce_plan(output: Output, ledger: "Ledger", plan: "Plan") -> str:
    from chat_hygiene import wiring

    wiring.check_plan(ledger, plan)
    for each in plan.policies:
        preview.show_planned(output, each)
    output.say(f"The plan was made at {instant(plan.made_at)} and is good until {instant(plan.expires_at)}.")
    return f"Delete for good those of these {count(plan.chats, 'chat')} that still match, and no others?"


def _plan_document(plan: "Plan | None", file: Path | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    return {
        "file": str(file),
        "made_at": plan.made_at,
        "expires_at": plan.expires_at,
        "chats": plan.chats,
    }


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
