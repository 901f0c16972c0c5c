"""`webhooks`: has the provider tell what changed, so that it is read again at once instead of at the next sync."""

from dataclasses import asdict
from typing import Annotated

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output

app = typer.Typer(no_args_is_help=True, help="Hints from the provider that something changed.")


@app.command()
def register(
    url: Annotated[
        str, typer.Option(help="Where the world reaches the web process, like https://hygiene.example.org.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Has the provider call the web process, at URL/webhooks/ and the webhook token, when a chat or a number changes.

    A call only makes us read again; nothing is ever deleted because of one. Registering twice does no harm.

    Exit codes: 0 registered, 2 the URL cannot be used, 3 no webhook token or no API token, 6 the API refused or cannot be reached.
    """
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring.subscribing import subscribe

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        new = subscribe(ledger, url)
    if as_json:
        output.document("webhooks.register", new=new)
    else:
        output.good("registered" if new else "was registered already")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """Lists the webhooks of the account, and says which one is ours. Of other URLs only the server is shown.

    Exit codes: 0 done, 3 no API token, 6 the API cannot be reached.
    """
    settings = start.settings()

    from chat_hygiene.wiring.subscribing import subscriptions

    output = Output(as_json=as_json)
    found = subscriptions(settings)
    if as_json:
        rows = [{**asdict(each.webhook), "ours": each.ours} for each in found]
        output.document("webhooks.list", webhooks=rows)
        return
    output.table(
        ["Webhook", "Name", "Ours", "Active", "URL", "Events"],
        (
            [
                *(each.webhook.id, each.webhook.name, "yes" if each.ours else "no"),
                {True: "yes", False: "no", None: "not known"}[each.webhook.active],
                *(each.webhook.url, " ".join(each.webhook.events)),
            ]
            for each in found
        ),
        empty="the account has no webhooks",
    )
    if not any(each.ours for each in found):
        output.say("None is ours: chat-hygiene webhooks register --url URL has us told of changes at once.")
