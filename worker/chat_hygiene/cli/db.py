"""`db`: the schema of the database."""

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output
from chat_hygiene.core.errors import Exit

app = typer.Typer(no_args_is_help=True, help="The database's schema.")


@app.command()
def upgrade(as_json: JsonOption = False) -> None:
    """Brings the schema to the version that this program needs; does nothing when it is there already.

    An SQLite file is upgraded by every verb that opens it; a PostgreSQL database only by this one. Safe to start several times at once.

    Exit codes: 0 done, 6 the database cannot be reached, or is newer than this program.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    before, after = wiring.upgrade_schema(settings)
    if as_json:
        output.document("db.upgrade", before=before, after=after)
    elif before == after:
        output.good(f"the schema is at {after}: nothing to do")
    else:
        output.good(f"the schema went from {before or 'nothing'} to {after}")


@app.command()
def current(as_json: JsonOption = False) -> None:
    """Says which version the schema has, and which one this program needs."""
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    has, needs = wiring.schema_versions(settings)
    if as_json:
        output.document("db.current", current=has, needed=needs)
    else:
        output.line(has or "none")
        if has != needs:
            output.warn(f"this program needs {needs}: chat-hygiene db upgrade")


@app.command()
def check(as_json: JsonOption = False) -> None:
    """Compares the schema with what this program expects: its version, then every table, column and index.

    Exit codes: 0 as expected, 6 not, or the database cannot be reached.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    problems = wiring.check_schema(settings)
    if as_json:
        output.document("db.check", ok=not problems, problems=problems)
    elif problems:
        for problem in problems:
            output.failed(problem)
        output.say("  → chat-hygiene db upgrade")
    else:
        output.good("the schema is as expected")
    raise typer.Exit(Exit.UNREACHABLE if problems else Exit.DONE)
