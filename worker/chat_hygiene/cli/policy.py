"""`policy`: the documents that say which chats leave, checked, stored and shown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output, count, instant
from chat_hygiene.core.errors import InvalidInputError, UsageError

if TYPE_CHECKING:
    from chat_hygiene.core.errors import UnreadablePolicyError
    from chat_hygiene.store.policies import StoredPolicy
    from chat_hygiene.wiring import Ledger
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


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """Lists the stored policies with their rules and when each runs next."""
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        rows, unreadable = wiring.policies(ledger), wiring.unreadable(ledger)
    if as_json:
        documents = [_document(each, run) for each, run in rows]
        output.document("policy.list", policies=documents, unreadable=[each.policy for each in unreadable])
        return
    for each, run in rows:
        name, policy = Text(each.policy.name, style="bold"), each.policy
        state = does(policy) if each.state == "active" else f"{each.state}, else it {does(policy)}"
        if policy.action == "delete":
            last = (
                "never run"
                if run is None
                else f"last run {instant(run['started_at'])}: {run['reason'] or run['state']}"
            )
            upcoming = f", next run {instant(each.next_run_at)}" if each.state == "active" else ""
            state += f"{upcoming}, {last}"
        output.line(name, f": {state}")
        output.line(f"    {policy.words()}")
    warn_unreadable(output, unreadable)
    if not (rows or unreadable):
        output.say("no policy is stored: chat-hygiene policy apply FILE stores some")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A stored policy.")], as_json: JsonOption = False
) -> None:
    """Prints one stored policy, as a document that `policy apply` takes again.

    Exit codes: 0 done, 2 no such policy.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        rows = wiring.policies(ledger, [name])
    if not rows:
        raise UsageError(
            f"no policy is named {name}", fix="chat-hygiene policy list shows those that are stored"
        )
    stored, run = rows[0]
    if as_json:
        output.document("policy.show", policy=_document(stored, run))
        return
    output.say(
        f"{name}, version {stored.version}, stored by {stored.created_by} at {instant(stored.created_at)}"
    )
    state = "" if stored.state == "active" else f"{stored.state}, else it "
    output.say(f"{state}{does(stored.policy)}: {stored.policy.words()}")
    typer.echo(_yaml(stored.policy), nl=False)


def _yaml(policy: "Policy") -> str:
    from io import StringIO

    from ruamel.yaml import YAML

    yaml, text = YAML(), StringIO()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({"version": 1, "policies": [policy.to_document()]}, text)
    return text.getvalue()


def _document(stored: "StoredPolicy", run: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "name": stored.policy.name,
        "version": stored.version,
        "state": stored.state,
        "rule": stored.policy.words(),
        "next_run_at": stored.next_run_at if stored.state == "active" else None,
        "created_by": stored.created_by,
        "created_at": stored.created_at,
        "last_run_at": None if run is None else run["started_at"],
        "last_run_state": None if run is None else run["state"],
        "last_run_reason": None if run is None else run["reason"],
        "document": stored.policy.to_document(),
    }


def named(ledger: "Ledger", what: str | None) -> "list[Policy]":
    """The policies of a document (anything that is a file or looks like one), of a name, or all stored ones.

    Raises UsageError, InvalidInputError, DocumentError.
    """
    from chat_hygiene import wiring

    if what is not None and (Path(what).is_file() or "/" in what or what.endswith((".yaml", ".yml"))):
        return list(read(Path(what)))
    if what is not None:
        return [each.policy for each in wiring.to_run(ledger, [what])]
    stored = (each for each, _ in wiring.policies(ledger))
    return [each.policy for each in stored if each.policy.action == "delete" and each.state == "active"]


def warn_unreadable(output: Output, unreadable: "Sequence[UnreadablePolicyError]") -> None:
    """Names the policies that are left out because this program cannot read them."""
    for each in unreadable:
        output.warn(f"{each}: {each.fix}")


def does(policy: "Policy") -> str:
    """What a policy does with the chats it names, in one word."""
    return {"keep": "keeps"}.get(policy.action) or {"enforce": "deletes"}.get(policy.mode, "observes")
