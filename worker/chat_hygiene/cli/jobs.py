"""`jobs`: the delete jobs, one per chat life, with where each stands."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.naming import NumbersOption, numbered, numbers
from chat_hygiene.cli.output import JsonOption, LimitOption, Output, YesOption, count, name_of
from chat_hygiene.core.errors import UsageError
from chat_hygiene.core.states import JobState

app = typer.Typer(no_args_is_help=True, help="Delete jobs: where each stands.")

JobArgument = Annotated[int, typer.Argument(metavar="JOB", help="Its number.")]
JobsArgument = Annotated[list[int] | None, typer.Argument(metavar="JOB...", help="Their numbers.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the audit; without phone numbers.")]

_FIELDS = (
    *(
        "id",
        "policy",
        "version",
        "device",
        "chat_ref",
        "chat_hint",
        "state",
        "reason",
        "queued_at",
        "not_before",
    ),
    *(
        "next_attempt_at",
        "attempts",
        "crashes",
        "intent",
        "intent_at",
        "error_class",
        "error_code",
        "first_failed_at",
    ),
    *("last_failed_at", "finished_at", "whatsapp_state", "platform_state", "debt_state", "debt_reason"),
    *("debt_opened_at", "debt_settled_at", "debt_probes", "debt_next_probe_at"),
)


def job_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A job for `--json`: no name and no number."""
    return {name: row[name] for name in _FIELDS}


@app.command("list")
def list_(
    state: Annotated[JobState | None, typer.Option(help="Only those in this state.")] = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists jobs, newest first."""
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        rows = wiring.jobs(ledger, state=state, limit=output.most(limit))
    if as_json:
        output.document("jobs.list", jobs=[job_document(row) for row in rows])
        return
    output.table(
        ["Job", "Chat", "On", "Policy", "State", "Since or due (UTC)"],
        (
            [
                row["id"],
                row["chat_hint"],
                name_of(row["alias"], row["device"]),
                row["policy"],
                row["state"],
                _when(row),
            ]
            for row in rows
        ),
        empty="no jobs",
        most=output.most(limit),
    )


@app.command()
def show(
    job: JobArgument,
    show_numbers: NumbersOption = False,
    as_json: JsonOption = False,
) -> None:
    """Shows everything about one job, and what happened to it.

    Exit codes: 0 done, 2 no such job.
    """
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.cli.audit import event_document, event_table

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        rows = wiring.jobs(ledger, job_id=job)
        events = wiring.audit_events(ledger, job_id=job)
        full = numbers(ledger, [row["chat_ref"] for row in rows], where="jobs show", shown=show_numbers)
    if not rows:
        raise UsageError(f"there is no job {job}", fix="chat-hygiene jobs list shows them")
    document = numbered(job_document(rows[0]), full)
    if as_json:
        output.document("jobs.show", job=document, events=[event_document(row) for row in events])
        return
    output.table(
        ["", ""],
        ([name.replace("_", " "), value] for name, value in document.items() if value is not None),
    )
    event_table(output, reversed(events))


@app.command()
def retry(
    jobs: Annotated[list[int], typer.Argument(metavar="JOB...", help="Their numbers.")],
    force: Annotated[
        bool, typer.Option("--force", help="By force: remove it here even if WhatsApp refuses.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why by force, for the audit.")] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Queues failed, quarantined or waiting jobs to be tried from the start, as soon as their grace and their number allow.

    The gate asks everything again. --force needs a --reason and asks first: what WhatsApp refuses is then removed here, and owed.

    Exit codes: 0 done, 2 not confirmed, or a job that cannot be tried: then nothing is changed.
    """
    if force != (reason is not None):
        raise UsageError("--force and --reason go together", fix="jobs retry JOB --force --reason TEXT")
    output = Output(as_json=as_json)
    if force:
        output.require_answer(yes=yes)
    settings = start.settings()

    from chat_hygiene import wiring

    with wiring.open_ledger(settings) as ledger:
        if force:
            output.confirm(
                f"Remove {count(len(jobs), 'chat')} even if WhatsApp refuses? What it keeps is owed.", yes=yes
            )
        wiring.retry_jobs(ledger, jobs, force_because=reason)
    if as_json:
        output.document("jobs.retry", jobs=jobs, forced=force)
    else:
        output.good(f"{count(len(jobs), 'job')} queued again{', by force' if force else ''}")


@app.command()
def cancel(
    jobs: Annotated[list[int], typer.Argument(metavar="JOB...", help="Their numbers.")],
    reason: ReasonOption,
    as_json: JsonOption = False,
) -> None:
    """Cancels queued jobs. A later run of the policy queues a chat again while it matches: to keep one, label it.

    Exit codes: 0 done, 2 a job that is not queued, or has a call out: then nothing is changed.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        wiring.cancel_jobs(ledger, jobs, reason=reason)
    if as_json:
        output.document("jobs.cancel", jobs=jobs)
    else:
        output.good(f"{count(len(jobs), 'job')} cancelled")


def _when(row: Mapping[str, Any]) -> object:
    return row["finished_at"] or (
        max(row["not_before"], row["next_attempt_at"]) if row["state"] == "queued" else row["queued_at"]
    )
