"""`policy`: the documents that say which chats leave, checked, stored and shown."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chat_hygiene.cli.output import JsonOption, Output, count
from chat_hygiene.core.errors import InvalidInputError

if TYPE_CHECKING:
    from chat_policies import Policy

app = typer.Typer(no_args_is_help=True, help="Retention policies: check, store, look at.")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A policy document (YAML).")]


def read(path: Path) -> "tuple[Policy, ...]":
    """The policies of a file. Raises InvalidInputError, or DocumentError with every problem in it."""
    from chat_policies import load

    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"{path} cannot be read: {error.strerror}", fix="chat-hygiene init writes one to begin with"
        ) from None
    return load(data, str(path))


@app.command()
def validate(file: FileArgument, as_json: JsonOption = False) -> None:
    """Checks a document and says each rule in words; stores nothing and asks nobody.

    Every problem is named with its line and column. Exit codes: 0 valid, 3 not.
    """
    policies = read(file)
    output = Output(as_json=as_json)
    if as_json:
        rows = [
            {"name": each.name, "rule": each.words(), "document": each.to_document()} for each in policies
        ]
        output.document("policy.validate", file=str(file), policies=rows)
        return
    output.table(["Policy", "Does", "Rule"], ([each.name, does(each), each.words()] for each in policies))
    output.good(f"{file}: {count(len(policies), 'policy', 'policies')}, valid")


@app.command()
def schema() -> None:
    """Prints the JSON Schema of a policy document, for editors that complete and check while you type."""
    import json

    from chat_policies import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def does(policy: "Policy") -> str:
    """What a policy does with the chats it names, in one word."""
    return {"keep": "keeps"}.get(policy.action) or {"enforce": "deletes"}.get(policy.mode, "observes")
