"""`debt`: chats that are removed here but were not removed, or not provably, in WhatsApp."""

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.jobs import job_document
from chat_hygiene.cli.output import JsonOption, LimitOption, Output, name_of

app = typer.Typer(no_args_is_help=True, help="Chats removed locally that may still be in WhatsApp.")


@app.command("list")
def list_(limit: LimitOption = None, as_json: JsonOption = False) -> None:
    """Lists what is owed, and what was: chats removed locally that are still in WhatsApp as far as is known.

    Newest first; the state says whether a debt is open.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        rows = wiring.jobs(ledger, debt=True, limit=output.most(limit))
    if as_json:
        output.document("debt.list", debts=[job_document(row) for row in rows])
        return
    output.table(
        ["Job", "Chat", "On", "Policy", "Debt", "Since (UTC)", "Because"],
        (
            [
                *(row["id"], row["chat_hint"], name_of(row["alias"], row["device"]), row["policy"]),
                *(row["debt_state"], row["debt_opened_at"], row["debt_reason"]),
            ]
            for row in rows
        ),
        empty="nothing is owed",
        most=output.most(limit),
    )
