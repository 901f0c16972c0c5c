"""`web`: the process with the page, health checks, metrics and the provider's webhooks; `web token`: who may use the page."""

import os
import signal
import sys
import threading
from typing import Annotated

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output
from chat_hygiene.core.errors import Exit

app = typer.Typer()


@app.callback(invoke_without_command=True)
def web(context: typer.Context, as_json: JsonOption = False) -> None:
    """Serves the page, /healthz, /readyz, /metrics and, with a webhook token, /webhooks until SIGTERM or Ctrl-C.

    Listens on WEB_HOST and WEB_PORT; on more than this machine only with WEB_USERS_FILE.

    Exit codes: 0 ended as asked, 3 a setting or the users file is invalid, 6 the address cannot be listened on.
    """
    if context.invoked_subcommand is not None:
        return
    settings = start.settings()

    from chat_hygiene.web.server import WebServer

    output = Output(as_json=as_json)
    with WebServer(settings) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        if as_json:
            output.document("web", url=server.url)
        else:
            output.good(f"listens on {server.url}; Ctrl-C ends it")
            if settings.webhook_token is None:
                output.say("  CHAT_HYGIENE_WEBHOOK_TOKEN is not set: webhooks are not taken")
        server.wait()
    _leave()


@app.command()
def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As it is to stand in the audit.")],
    role: Annotated[
        str,
        typer.Option("--role", help="reader: looks, and sees no names; operator: sees them, and decides."),
    ] = "reader",
    as_json: JsonOption = False,
) -> None:
    """Makes a token for somebody, and the line of WEB_USERS_FILE that knows it: add the line there, give the token to them.

    The token is shown this once, on stderr; the line goes to stdout, so that `>> users` adds it. A new line instead of an
    old one ends that person's sessions.

    Exit codes: 0 done, 2 a name or a role that cannot be.
    """
    from chat_hygiene.core.errors import UsageError
    from chat_hygiene.web.users import Role, new_user

    output = Output(as_json=as_json)
    if role not in set(Role):
        raise UsageError(f"there is no role {role}", fix="reader or operator")
    line, secret = new_user(name, Role(role))
    if as_json:
        output.document("web.token", line=line, token=secret)
        return
    output.line(line)
    output.good(f"the token of {name}, shown this once: {secret}")


def _leave() -> None:
    # A thread that a frozen database keeps waiting would hold up the interpreter's end for as long: for ever, maybe.
    if threading.active_count() > 1:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(Exit.DONE)
