"""`init`: a commented `policies.yaml` and `.env` to begin with."""

import os
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from chat_hygiene.cli.output import JsonOption, Output
from chat_hygiene.core.errors import InvalidInputError

_FILES = {"policies.yaml": 0o644, ".env": 0o600}
"""What is written, and who may read it: `.env` will hold the token."""


def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to, by default here.")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Writes a commented policies.yaml and .env; a file that is there already is left alone.

    The policies only observe: nothing is deleted before you write `mode: enforce`.
    """
    written, kept = [], []
    for name, mode in _FILES.items():
        text = resources.files(__package__).joinpath("starter", name.removeprefix(".")).read_bytes()
        try:
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            kept.append(name)
            continue
        except OSError as error:
            raise InvalidInputError(f"{folder / name} cannot be written: {error.strerror}") from None
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        written.append(name)
    output = Output(as_json=as_json)
    if as_json:
        output.document("init", written=written, kept=kept)
        return
    for name in written:
        output.good(f"wrote {folder / name}")
    for name in kept:
        output.warn(f"left {folder / name} as it is")
    output.say("Next: put your API token into .env, then: chat-hygiene doctor")
