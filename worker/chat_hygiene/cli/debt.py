"""`debt`: chats that are removed here but were not removed, or not provably, in WhatsApp."""

from typing import Annotated

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.jobs import JobArgument, JobsArgument, ReasonOption, job_document
from chat_hygiene.cli.naming import NumbersOption, numbered, numbers
from chat_hygiene.cli.output import JsonOption, LimitOption, Output, YesOption, count, name_of
from chat_hygiene.core.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Chats removed locally that may still be in WhatsApp.")


@app.command("list")
def list_(
    limit: LimitOption = None, show_numbers: NumbersOption = False, as_json: JsonOption = False
) -> None:
    """Lists what is owed, and what was: chats removed locally that are still in WhatsApp as far as is known.

    Newest first; the state says whether a debt is open. What was abandoned is no longer looked for, and still unfinished.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        rows = wiring.jobs(ledger, debt=True, limit=output.most(limit))
        full = numbers(ledger, [row["chat_ref"] for row in rows], where="debt list", shown=show_numbers)
    if as_json:
        output.document("debt.list", debts=[numbered(job_document(row), full) for row in rows])
        return
    shown = full or {}
    output.table(
        ["Job", "Chat", "On", "Policy", "Debt", "Since (UTC)", "Next look (UTC)", "In WhatsApp", "Because"],
        (
            [
                *(
                    row["id"],
                    shown.get(row["chat_ref"], row["chat_hint"]),
                    name_of(row["alias"], row["device"]),
                    row["policy"],
                ),
                *(row["debt_state"], row["debt_opened_at"], row["debt_next_probe_at"]),
                *(row["whatsapp_state"], row["debt_reason"]),
            ]
            for row in rows
        ),
        empty="nothing is owed",
        most=output.most(limit),
    )


@app.command()
def retry(
    jobs: JobsArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="Every open debt.")] = False,
    at_once: Annotated[bool, typer.Option("--now", help="Look in this process, and wait for it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Plans a look at owed chats for now; the background worker makes it, or with --now this command.

    A number that is offline is looked through once it is online. Exit codes: 0 done, 2 no such open debt, 6 a dependency cannot be reached.
    """
    if bool(jobs) == everything:
        raise UsageError("name jobs, or --all", fix="chat-hygiene debt list shows them")
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        planned = wiring.retry_debts(ledger, None if everything else jobs)
        report = wiring.look_at_debts(ledger) if at_once else None
    if as_json:
        looks = {} if report is None else {name: getattr(report, name) for name in _LOOKS}
        output.document("debt.retry", planned=planned, **looks)
    elif report is None:
        output.good(
            f"{count(planned, 'debt')} to be looked at as soon as a worker runs and the number is online"
        )
    else:
        output.good(
            f"looked at {count(report.looked, 'chat')}: {report.settled} settled, {report.superseded} came back"
            f" as new conversations, {report.looked - report.settled - report.superseded} still owed"
        )
        if waiting := planned - report.looked:
            output.warn(
                f"{count(waiting, 'debt')} not looked at: the number is offline or cannot be called now"
            )


_LOOKS = ("looked", "settled", "superseded", "abandoned")


@app.command("write-off")
def write_off(
    job: JobArgument, reason: ReasonOption, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Gives up one debt: its chat is looked for no more, and may stay in WhatsApp. The reason stands in the audit.

    It asks first; without a terminal it needs --yes. Exit codes: 0 done, 2 not confirmed, or no debt that is open or abandoned.
    """
    output = Output(as_json=as_json)
    output.require_answer(yes=yes)
    settings = start.settings()

    from chat_hygiene import wiring

    with wiring.open_ledger(settings) as ledger:
        output.confirm(f"Give up the debt of job {job}? Its chat may stay in WhatsApp for good.", yes=yes)
        wiring.write_off(ledger, job, reason=reason)
    if as_json:
        output.document("debt.write-off", job=job)
    else:
        output.good(f"the debt of job {job} is written off")
