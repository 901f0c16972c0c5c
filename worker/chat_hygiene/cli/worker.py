"""`worker` and `beat`: Celery's own commands with this service's application; their options beyond these are Celery's."""

from typing import Annotated

import typer

from chat_hygiene.cli import start
from chat_hygiene.core.errors import UsageError


def worker(
    queues: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Which queues, with commas: sync, evaluate, delete, maintenance."),
    ] = "",
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes; without: 4, or 1 for --queues delete alone, which needs no more."
        ),
    ] = None,
) -> None:
    """Works as one of many, over a Redis broker, until it is told to end: what is out is finished first.

    The same as `celery -A chat_hygiene.celery_app worker`. For everything in one process see `up`.

    Exit codes: 0 ended as told, 2 an unknown queue, 3 a setting is invalid.
    """
    from chat_hygiene.wiring.health import QUEUES

    names = [name.strip() for name in queues.split(",")] if queues else []
    if unknown := [name for name in names if name not in QUEUES]:
        raise UsageError(
            f"no queue is called {', '.join(map(repr, unknown))}", fix=f"there are {', '.join(QUEUES)}"
        )
    _celery(
        "worker",
        *(["--queues", ",".join(names)] if names else []),
        *([] if concurrency is None else ["--concurrency", str(concurrency)]),
    )


def beat() -> None:
    """Wakes the workers up, at fixed intervals, over a Redis broker, until it is told to end. Two do no harm.

    The same as `celery -A chat_hygiene.celery_app beat`. When a policy is due stands in the database, not here.

    Exit codes: 0 ended as told, 3 a setting is invalid.
    """
    _celery("beat")


def _celery(*words: str) -> None:
    start.settings()  # invalid ones are told as everywhere

    from celery.bin.celery import celery

    # Quiet of its banner, that is: the log is on stderr, and stdout is for data.
    celery.main(args=["--quiet", "-A", "chat_hygiene.celery_app", *words], prog_name="chat-hygiene")
