"""Many short runs of the real command without paying for its imports each time: one warm process that forks for each.

Started as a script; reads one JSON object a line (`args`, `env`, `folder`, `output`, `errors`) and answers with the exit
code. A few tests start the command afresh, so that what it imports by itself is tested, too.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

PATIENCE = 120
"""Seconds until a run that does not end is ended."""


class Run(Protocol):
    """Runs the command to its end; `errors` is where stderr goes if not where stdout does. Returns the exit code."""

    def __call__(
        self, args: list[str], env: dict[str, str], folder: Path, output: Path, errors: Path | None = None
    ) -> int: ...


@contextmanager
def forking() -> Iterator[Run]:
    """A warm process to fork from."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def run(
            args: list[str], env: dict[str, str], folder: Path, output: Path, errors: Path | None = None
        ) -> int:
            order = {"args": args, "env": env, "folder": str(folder), "output": str(output)}
            order["errors"] = str(errors or output)
            print(json.dumps(order), file=process.stdin, flush=True)
            return int(process.stdout.readline())

        yield run
        process.stdin.close()


def serve() -> None:
    """Answers orders until there are no more."""
    import psycopg  # noqa: F401

    import chat_hygiene.pipeline.explain
    import chat_hygiene.store.schema
    import chat_hygiene.wiring.telling  # noqa: F401
    from chat_hygiene.cli import verbs

    for name in verbs.VERBS:
        verbs.load(name)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            become(order)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def become(order: dict) -> None:
    """Turns this process into the command."""
    from chat_hygiene.cli import main

    signal.alarm(PATIENCE)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["folder"])
    kept = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    nothing = os.open(os.devnull, os.O_RDONLY)
    output, errors = os.open(order["output"], kept), os.open(order["errors"], kept)
    for ours, theirs in ((nothing, 0), (output, 1), (errors, 2)):
        os.dup2(ours, theirs)
    sys.argv = ["chat-hygiene", *order["args"]]
    code = 1
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
