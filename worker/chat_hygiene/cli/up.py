"""`up`: the whole service in one process, without a server beside it."""

import ctypes
import logging
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output

if TYPE_CHECKING:
    from types import FrameType

THREADS = 8
"""Four numbers read side by side, one drain, and three for whatever is short."""

_M_ARENA_MAX = -8


def up(as_json: JsonOption = False) -> None:
    """Runs everything in this one process, until you press Ctrl-C: schedules, syncs, deletions and the web page.

    Policies run by themselves when they are due. Killed at any moment it loses nothing: start it again.

    Exit codes: 0 ended as told, 3 a setting is invalid, 6 the database cannot be used, or the web port is taken.
    """
    settings = start.settings(level=logging.INFO)
    output = Output(as_json=as_json)

    _keep_few_heaps()
    from celery.beat import EmbeddedService

    from chat_hygiene.celery_app import app
    from chat_hygiene.web.server import WebServer
    from chat_hygiene.wiring import serving

    serving.check(settings)
    app.service.open()
    with WebServer(settings) as web:
        # A thread, not Celery's own process for it: that one would wake up an in-process broker of its own.
        beat = EmbeddedService(app, thread=True, scheduler_cls=app.conf.beat_scheduler)
        worker = app.WorkController(
            pool="threads",
            concurrency=THREADS,
            loglevel=logging.WARNING,
            ready_callback=lambda _: _announce(output, web.url, as_json=as_json),
        )
        _end_on_signals(output)
        beat.start()
        worker.start()
        beat.service.stop()
    raise typer.Exit(worker.exitcode)


def _keep_few_heaps() -> None:
    # Else glibc gives each thread a heap of its own, which keeps what was ever used in it: a sixth of all memory.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _announce(output: Output, url: str, *, as_json: bool) -> None:
    if as_json:
        output.document("up", url=url)
        return
    output.good("chat-hygiene is up: schedules, syncs and deletions run by themselves")
    output.say(f"  The page is at {url}, its health at {url}/healthz, its metrics at {url}/metrics.")
    output.say("  Ctrl-C ends it: calls that are out are finished first. Twice ends it at once.")


def _end_on_signals(output: Output) -> None:
    """The first signal ends the service well, the second one the process: the next start picks up what it left."""
    from celery.worker import state

    from chat_hygiene import lifecycle

    def end(signum: int, _frame: "FrameType | None") -> None:
        signal.signal(signum, signal.SIG_DFL)
        lifecycle.end()
        state.should_stop = 0
        output.say("ending: the calls that are out are finished first")

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)
