"""`notify`: whether people can be told what is wrong, and a line of `doctor` about it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output, count
from chat_hygiene.cli.undone import Check
from chat_hygiene.core.errors import Exit

if TYPE_CHECKING:
    from chat_hygiene.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Messages to people, when something is wrong.")


@app.callback()
def _only_verbs() -> None:
    pass


@app.command("test")
def send_test(as_json: JsonOption = False) -> None:
    """Sends a test message to every address of NOTIFY_URLS, and says where it arrived.

    Exit codes: 0 it arrived everywhere, 3 no address is set, or nothing is installed to send with, 6 an address failed.
    """
    settings = start.settings()

    from chat_hygiene.wiring import notifying

    output = Output(as_json=as_json)
    deliveries = notifying.try_out(settings)
    if as_json:
        output.document("notify.test", deliveries=[asdict(each) for each in deliveries])
    else:
        for each in deliveries:
            where = f"address {each.place}, {each.service or 'unknown'}"
            if each.problem is None:
                output.good(f"{where}: sent")
            else:
                output.failed(f"{where}: {each.problem}")
    if any(each.problem is not None for each in deliveries):
        raise typer.Exit(Exit.UNREACHABLE)


def checks(settings: "Settings") -> Iterator[Check]:
    """Whether messages could be sent as the settings say; sends none."""
    if not settings.notify_addresses:
        return
    from chat_hygiene.wiring import notifying

    services = notifying.services(settings)
    if services is None:
        yield Check("messages", False, notifying.MISSING, notifying.INSTALL, Exit.INVALID)
        return
    unknown = [str(place) for place, service in enumerate(services, 1) if service is None]
    if unknown:
        says = f"of NOTIFY_URLS no service is known by address {', '.join(unknown)}"
        yield Check(
            "messages", False, says, "write it as its service asks for it in apprise's list", Exit.INVALID
        )
        return
    told = ", ".join(str(service) for service in services)
    yield Check(
        "messages",
        True,
        f"{count(len(services), 'address', 'addresses')} ({told}); chat-hygiene notify test sends one",
    )
