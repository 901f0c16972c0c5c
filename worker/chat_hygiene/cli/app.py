"""Puts the verbs together, and turns whatever ends one into a message and an exit code."""

import io
import sys
from typing import NoReturn

import typer

from chat_hygiene.cli.verbs import Verbs
from chat_hygiene.core.errors import Exit

app = typer.Typer(
    name="chat-hygiene",
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Retention for WhatsApp inboxes: deletes exactly what a policy says, and can prove it.\n\n"
    "[bold]demo[/bold] shows the whole job without an account. For your own: [bold]init[/bold], [bold]doctor[/bold],"
    " [bold]sync[/bold], [bold]policy apply[/bold], [bold]preview[/bold], [bold]run[/bold].",
    epilog="Exit codes: 0 done · 1 unexpected · 2 usage, or a confirmation is missing · 3 a policy or a setting is"
    " invalid · 5 a safety stop · 6 a dependency cannot be reached · 7 finished, some deletions failed · 8 the audit"
    " does not verify",
)


@app.callback()
def _only_verbs() -> None:
    pass


def main() -> NoReturn:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no ✔ gets an escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the last place that can still say it in plain words
        from chat_hygiene.cli import failures

        sys.exit(failures.show(error, as_json="--json" in sys.argv))
    sys.exit(Exit.DONE)
