"""What a person waits for before anything happens: the command's own list of its verbs."""

import subprocess
import sys
from collections.abc import Iterator

from bench.ground import Ground
from bench.measuring import Row, expect, medians, ms, seconds
from support.command import COMMAND


def help_(on: Ground) -> Iterator[Row]:
    """The wall time of two processes, each from its start to its end."""
    reference = [sys.executable, "-c", "import typer"]
    said = _ran([str(COMMAND), "--help"], on)
    expect(
        all(verb in said for verb in ("demo", "policy", "erase", "fake-api")),
        wanted=True,
        what="its verbs are listed",
    )
    helped, imported = medians(
        lambda: seconds(lambda: expect(_ran([str(COMMAND), "--help"], on), said, "what it says")),
        lambda: seconds(lambda: _ran(reference, on)),
        rounds=15,
    )
    yield Row(
        "chat-hygiene --help",
        '≤ 3 × python -c "import typer"',
        helped / imported,
        3.0,
        ms(helped),
        ms(imported),
        f"{len(said.splitlines())} lines, the same each time",
    )


def _ran(words: list[str], on: Ground) -> str:
    return subprocess.run(words, cwd=on.folder, capture_output=True, text=True, check=True).stdout
