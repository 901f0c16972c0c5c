"""`web`: the process that answers health checks, Prometheus, and the provider's webhooks."""

import os
import signal
import sys
import threading

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output
from chat_hygiene.core.errors import Exit


def web(as_json: JsonOption = False) -> None:
    """Serves /healthz, /readyz, /metrics and, with a webhook token, /webhooks until SIGTERM or Ctrl-C. Deletes nothing.

    Listens on WEB_HOST and WEB_PORT; on more than this machine only with WEB_USERS_FILE.

    Exit codes: 0 ended as asked, 3 a setting is invalid or missing, 6 the address cannot be listened on.
    """
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


def _leave() -> None:
    # A thread that a frozen database keeps waiting would hold up the interpreter's end for as long: for ever, maybe.
    if threading.active_count() > 1:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(Exit.DONE)
