"""`runs`: what each run of a policy found and did, and deciding about those that a brake or the canary stopped."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from chat_hygiene.cli import funnel, reasons, start
from chat_hygiene.cli.jobs import ReasonOption
from chat_hygiene.cli.naming import NumbersOption, numbered, numbers
from chat_hygiene.cli.output import JsonOption, LimitOption, Output, YesOption, count, instant, name_of, span
from chat_hygiene.core.reasons import put_down, says

if TYPE_CHECKING:
    from datetime import datetime

    from chat_hygiene.wiring import Run

app = typer.Typer(
    no_args_is_help=True, help="Runs of policies, and deciding about those that await approval."
)

RunArgument = Annotated[int, typer.Argument(metavar="RUN", help="Its number.")]

_SHOWN = 40
_FIELDS = (
    *("id", "policy", "version", "trigger", "mode", "state", "reason", "canary"),
    *("scheduled_for", "started_at", "finished_at", "expires_at", "requested_by", "approved_by"),
    *("seen", "in_scope", "matched", "held", "kept", "deferred", "duplicates", "queued", "digest"),
)


@app.command("list")
def list_(
    awaiting: Annotated[bool, typer.Option("--awaiting", help="Only those that await approval.")] = False,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists runs of all policies, newest first, with why each queued what it queued."""
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        rows = wiring.runs(ledger, awaiting=awaiting, limit=output.most(limit))
    if as_json:
        output.document("runs.list", runs=[_document(row) for row in rows])
        return
    output.table(
        ["Run", "Policy", "Version", "Started (UTC)", "State", "Matched", "Queued", "Because"],
        (
            [
                *(row["id"], row["policy"], row["version"], row["started_at"]),
                *(row["state"].replace("_", " "), row["matched"], row["queued"], row["reason"]),
            ]
            for row in rows
        ),
        empty="no run awaits approval" if awaiting else "no runs",
        most=output.most(limit),
    )


@app.command()
def show(
    run: RunArgument,
    everything: Annotated[
        bool, typer.Option("--all", help=f"On a terminal: every chat, not the first {_SHOWN}.")
    ] = False,
    show_numbers: NumbersOption = False,
    as_json: JsonOption = False,
) -> None:
    """Shows one run: its funnel, why it did what it did, and its chats with where each stands.

    Exit codes: 0 done, 2 no such run.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        now = ledger.now()
        found = wiring.run_of(ledger, run)
        most = None if everything or as_json or not output.terminal else _SHOWN
        refs = [row["chat_ref"] for row in found.chats[:most]]
        full = numbers(ledger, refs, where="runs show", shown=show_numbers)
    if as_json:
        output.document(
            "runs.show",
            run=_document(found.record),
            rule=found.record["rule"],
            funnel=found.record["funnel"] or [],
            notes=found.record["notes"] or [],
            outcomes=found.outcomes,
            chats=[numbered(_chat(row), full) for row in found.chats],
        )
        return
    _show(output, found, now, full or {}, most=most)


def _show(
    output: Output, found: "Run", now: "datetime", full: Mapping[str, str], *, most: int | None
) -> None:
    row = found.record
    output.line(
        Text(f"Run {row['id']} of {row['policy']}", style="bold"),
        f", version {row['version']}, {row['trigger']}, {instant(row['started_at'])}",
    )
    output.line(f"  {row['state'].replace('_', ' ')}: {says(row)}")
    output.line(f"  rule: {row['rule']}")
    if row["approved_by"]:
        output.line(f"  approved by {row['approved_by']}")
    if found.funnel is not None:
        funnel.show(output, found.funnel)
    for note in row["notes"] or []:
        output.warn(note)
    if found.chats:
        output.table(
            ["Name", "Chat", "On", "Last message", "Leaves (UTC)", "Stands"],
            (_cells(each, now, full, row) for each in found.chats[:most]),
            whole=("Chat", "Stands"),
        )
    if most is not None and len(found.chats) > most:
        output.say(f"and {len(found.chats) - most:,} more: --all")
    if row["state"] == "awaiting_approval":
        grace = row["document"]["grace"]
        leave = "at once" if grace == "none" else f"{grace} later"
        output.say(
            f"Until {instant(row['expires_at'])} somebody can let them go; what then still matches leaves {leave}."
        )
        output.say(f"chat-hygiene runs approve {row['id']} lets them go, runs reject {row['id']} does not.")


@app.command()
def approve(
    run: RunArgument,
    per_day: Annotated[
        int | None, typer.Option("--per-day", min=1, help="So many a day, those silent for longest first.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, for the audit; without phone numbers.")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Lets the candidates of a run go that awaits approval: exactly those, and of those only what still matches.

    Says first who dropped out and why, and asks; without a terminal it needs --yes. They leave when the policy's grace is over, each read again just before.

    Exit codes: 0 done, 2 not confirmed, or a run that awaits no approval, 5 it can be approved no more, or not now: then nothing is changed.
    """
    output = Output(as_json=as_json)
    output.require_answer(yes=yes)
    settings = start.settings()

    from chat_hygiene import wiring

    with wiring.open_ledger(settings) as ledger:
        look = wiring.look_at_run(ledger, run, now=ledger.now())
        if not yes:
            reasons.show_dropped(output, look.dropped)
        each_day = "" if per_day is None else f", {per_day:,} a day"
        output.confirm(
            f"Delete for good {look.remaining:,} of {count(look.candidates, 'chat')} of {look.run.policy}{each_day}?",
            yes=yes,
        )
        report = wiring.approve_run(ledger, run, per_day=per_day, because=reason, now=ledger.now())
    if as_json:
        output.document(
            "runs.approve",
            run=run,
            policy=report.policy,
            candidates=look.candidates,
            queued=report.queued,
            deferred=report.deferred,
            reason=report.reason,
            dropped=reasons.dropped_document(report.dropped),
        )
        return
    if yes:
        reasons.show_dropped(output, report.dropped)
    output.good(f"{count(report.queued, 'chat')} of {report.policy} queued{each_day}")


@app.command()
def reject(run: RunArgument, reason: ReasonOption, as_json: JsonOption = False) -> None:
    """Decides against a run that awaits approval. A later run of the policy judges its chats anew: to keep one, label it.

    Exit codes: 0 done, 2 a run that awaits no approval, 5 one that can be decided about no more.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        wiring.reject_run(ledger, run, because=reason, now=ledger.now())
    if as_json:
        output.document("runs.reject", run=run)
    else:
        output.good(f"run {run} is rejected: nothing goes by it")


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _FIELDS} | {"canary": bool(row["canary"])}


def _chat(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("chat_ref", "device", "generation", "last_message_at", "matched_at", "not_before", "standing")
    return {name: row[name] for name in names}


def _cells(
    row: Mapping[str, Any], now: "datetime", full: Mapping[str, str], run: Mapping[str, Any]
) -> list[object]:
    from chat_hygiene.store.pseudonyms import mask_numbers

    last = row["last_message_at"]
    waits = put_down(state=run["state"], reason=run["reason"], canary=run["canary"]).get(row["standing"])
    return [
        *(mask_numbers(row["name"] or "-"), full.get(row["chat_ref"], row["chat_hint"])),
        name_of(row["alias"], row["device"]),
        "never" if last is None else f"{span(now - last)} ago",
        row["not_before"] if waits is None else None,
        waits or row["standing"].replace("_", " "),
    ]
