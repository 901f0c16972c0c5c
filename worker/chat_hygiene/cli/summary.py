"""What one `run` did, in words, for `--json`, and as an exit code."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

from chat_hygiene.cli import funnel, reasons
from chat_hygiene.cli.output import Output, count, instant, name_of
from chat_hygiene.core.errors import Exit
from chat_hygiene.core.reasons import result

if TYPE_CHECKING:
    from chat_hygiene.pipeline import evaluate
    from chat_hygiene.wiring import RunReport, Waiting

_OUTCOMES = {
    "deleted": "deleted",
    "removed_locally": "removed locally, still in WhatsApp: see chat-hygiene debt list",
    "already_gone": "already gone before us",
    "cancelled": "cancelled: no longer a match",
    "failed": "failed: see chat-hygiene jobs list --state failed",
    "quarantined": "in quarantine after five crashes: see chat-hygiene jobs list --state quarantined",
}


def code(report: "RunReport") -> Exit:
    """What the run exits with."""
    if report.drained.stopped or any(each.safety_stop for each in report.evaluated):
        return Exit.SAFETY_STOP
    if report.waiting.retrying or any(report.outcomes.get(state) for state in ("failed", "quarantined")):
        return Exit.SOME_FAILED
    if report.waiting.stuck or not report.synced.complete:
        return Exit.UNREACHABLE
    return Exit.DONE


def show(output: Output, report: "RunReport", *, with_funnels: bool = True, planned: bool = False) -> None:
    """Prints what a run, or with `planned` one of a plan, did: each policy and why the others stayed, then the outcomes."""
    for device in report.synced.devices:
        if device.problem:
            output.warn(f"{name_of(device.alias, device.device)} could not be synced: {device.problem}")
    for each in report.evaluated:
        _show_policy(output, each, with_funnel=with_funnels, planned=planned)
    if not report.evaluated:
        output.line("nothing due: no policy that deletes was evaluated")
    output.line(Text("Outcome", style="bold"))
    lines = [*_outcomes(report), *_waiting(report.waiting, stopped=report.drained.stopped is not None)]
    for number, words in lines:
        output.line(f"  {number:>7,} {words}")
    if not lines:
        output.line("  nothing was due")
    if report.drained.stopped:
        output.warn(f"deleting stopped: {report.drained.stopped}")
    output.good(f"{count(report.sealed, 'audit event')} sealed")


def _show_policy(output: Output, each: "evaluate.Report", *, with_funnel: bool, planned: bool) -> None:
    output.line(Text(each.policy, style="bold"), f": {_result(each, planned=planned)}")
    # A run that was not evaluated has none: "0 chats seen" would be false.
    if with_funnel and each.funnel.clauses:
        funnel.show(output, each.funnel)
    for note in (*(trip.words for trip in each.trips), *each.notes):
        output.warn(note)
    if each.expires_at is not None:
        output.warn(reasons.decision(each.run_id))
    reasons.show_dropped(output, each.dropped)


def _outcomes(report: "RunReport") -> Iterator[tuple[int, str]]:
    for state, words in _OUTCOMES.items():
        if number := report.outcomes.get(state):
            yield number, words
    if report.looked.settled:
        yield report.looked.settled, "owed from before and settled: WhatsApp has removed them too"
    if report.looked.abandoned:
        yield report.looked.abandoned, "owed for 30 days and looked for no more: see chat-hygiene debt list"


def _waiting(waiting: "Waiting", *, stopped: bool) -> Iterator[tuple[int, str]]:
    if waiting.next_at is not None:
        yield waiting.later, f"leave later, the first at {instant(waiting.next_at)}"
    if waiting.retrying:
        yield waiting.retrying, "failed for now, to be tried again: see chat-hygiene jobs list --state queued"
    if waiting.frozen:
        yield waiting.frozen, "stand still, because their policy is paused: chat-hygiene policy resume NAME"
    if waiting.elsewhere:
        yield (
            waiting.elsewhere,
            "in another worker's hands: if it died, a run takes them back when the lease ends",
        )
    if waiting.stuck:
        why = "deleting is stopped" if stopped else "their number cannot be used now: see chat-hygiene doctor"
        yield waiting.stuck, f"due, but {why}"


def _result(report: "evaluate.Report", *, planned: bool) -> str:
    words = result(
        report.reason,
        queued=report.queued,
        deferred=report.deferred,
        canary=report.canary,
        before=report.duplicates if planned else 0,
    )
    return f"{words}, {report.cancelled:,} no longer match and were taken off" if report.cancelled else words


def document(report: "RunReport") -> dict[str, Any]:
    """For `--json`."""
    return {
        "started_at": report.started_at,
        "finished_at": report.finished_at,
        "exit_code": code(report),
        "devices": [asdict(device) for device in report.synced.devices],
        "policies": [
            {
                "policy": each.policy,
                "run_id": each.run_id,
                "mode": each.mode,
                "state": each.state,
                "reason": each.reason,
                "funnel": funnel.document(each.funnel) if each.funnel.clauses else None,
                "deferred": each.deferred,
                "duplicates": each.duplicates,
                "queued": each.queued,
                "cancelled": each.cancelled,
                "brakes": [trip.words for trip in each.trips],
                "notes": each.notes,
                "canary": each.canary,
                "expires_at": each.expires_at,
                "dropped": reasons.dropped_document(each.dropped),
            }
            for each in report.evaluated
        ],
        "outcomes": report.outcomes,
        "debts": asdict(report.looked),
        "waiting": asdict(report.waiting),
        "stopped": report.drained.stopped,
        "sealed": report.sealed,
    }
