"""Many short runs of the real command without paying for its imports each time: one warm process that forks for each.

Started as a script; reads one JSON object a line (`args`, `env`, `folder`, `output`) and answers with the exit code.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Run = Callable[[list[str], dict[str, str], Path, Path], int]
"""Arguments, environment, working folder, where stdout and stderr go; returns the exit code."""


@contextmanager
def forking() -> Iterator[Run]:
    """A warm process to fork from."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def run(args: list[str], env: dict[str, str], folder: Path, output: Path) -> int:
            order = {"args": args, "env": env, "folder": str(folder), "output": str(output)}
            print(json.dumps(order), file=process.stdin, flush=True)
            return int(process.stdout.readline())

        yield run
        process.stdin.close()


def serve() -> None:
    """Answers orders until there are no more."""
    import chat_hygiene.cli
    import chat_hygiene.pipeline.explain
    import chat_hygiene.store.schema
    import chat_hygiene.wiring  # noqa: F401

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

    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["folder"])
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((nothing, 0), (output, 1), (output, 2)):
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
