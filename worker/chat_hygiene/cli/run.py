"""`run`: the whole job, once, now."""

from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from chat_hygiene.cli import funnel, start
from chat_hygiene.cli.output import JsonOption, Output, Show, YesOption, count
from chat_hygiene.core.errors import Exit

if TYPE_CHECKING:
    from chat_hygiene.pipeline import evaluate
    from chat_hygiene.wiring import RunReport, Watcher

_STAGES = {
    "reconcile": "Taking back what was left",
    "sync": "Reading chats",
    "evaluate": "Evaluating policies",
    "delete": "Deleting",
    "seal": "Sealing the audit",
}
_OUTCOMES = {
    "deleted": "deleted",
    "removed_locally": "removed locally, still in WhatsApp: see chat-hygiene debt list",
    "already_gone": "already gone before us",
    "cancelled": "cancelled: no longer a match",
    "failed": "failed: see chat-hygiene jobs list --state failed",
    "quarantined": "in quarantine after five crashes: see chat-hygiene jobs list --state quarantined",
}
_RESULTS = {
    "observe": "only observes",
    "nothing matched": "nothing matched",
    "already queued": "everything that matches is queued already",
    "stale data": "nothing queued: the data is too old to delete by",
    "stopped": "nothing queued: deleting is stopped",
    "brake": "nothing queued: a brake tripped, and the run awaits an approval",
    "unknown device": "not evaluated: it names a device that the account does not have",
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
        with output.progress() as show:
            report = wiring.run_once(ledger, names or [], watcher=_watcher(show))
    if as_json:
        output.document("run", **_document(report))
    else:
        _show(output, report)
    raise typer.Exit(_code(report))


def _watcher(show: "Show") -> "Watcher":
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


def _code(report: "RunReport") -> Exit:
    if report.drained.stopped or any(each.safety_stop for each in report.evaluated):
        return Exit.SAFETY_STOP
    if any(report.outcomes.get(state) for state in ("failed", "quarantined")):
        return Exit.SOME_FAILED
    if not report.synced.complete:
        return Exit.UNREACHABLE
    return Exit.DONE


def _show(output: Output, report: "RunReport") -> None:
    for device in report.synced.devices:
        if device.problem:
            output.warn(f"{device.alias or device.device} could not be synced: {device.problem}")
    for each in report.evaluated:
        output.line(Text(each.policy, style="bold"), f": {_result(each)}")
        funnel.show(output, each.funnel)
        for note in (*(trip.words for trip in each.trips), *each.notes):
            output.warn(note)
    output.line(Text("Outcome", style="bold"))
    for state, number in report.outcomes.items():
        output.line(f"  {number:>7,} {_OUTCOMES[state]}")
    if not report.outcomes:
        output.line("  nothing was due")
    if report.waiting:
        output.line(f"  {report.waiting:>7,} wait for their time: see chat-hygiene jobs list --state queued")
    if report.drained.stopped:
        output.warn(f"deleting stopped: {report.drained.stopped}")
    output.good(f"{count(report.sealed, 'audit event')} sealed")


def _result(report: "evaluate.Report") -> str:
    if report.reason == "queued":
        deferred = f", {report.deferred:,} deferred: their data is too old" if report.deferred else ""
        words = f"{count(report.queued, 'chat')} queued{deferred}"
    else:
        words = _RESULTS[report.reason]
    return f"{words}, {report.cancelled:,} no longer match and were taken off" if report.cancelled else words


def _document(report: "RunReport") -> dict[str, Any]:
    return {
        "started_at": report.started_at,
        "finished_at": report.finished_at,
        "exit_code": _code(report),
        "devices": [asdict(device) for device in report.synced.devices],
        "policies": [
            {
                "policy": each.policy,
                "run_id": each.run_id,
                "mode": each.mode,
                "state": each.state,
                "reason": each.reason,
                "funnel": funnel.document(each.funnel),
                "deferred": each.deferred,
                "duplicates": each.duplicates,
                "queued": each.queued,
                "cancelled": each.cancelled,
                "brakes": [trip.words for trip in each.trips],
                "notes": each.notes,
            }
            for each in report.evaluated
        ],
        "outcomes": report.outcomes,
        "waiting": report.waiting,
        "stopped": report.drained.stopped,
        "sealed": report.sealed,
    }
