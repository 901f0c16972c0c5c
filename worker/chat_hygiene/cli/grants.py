"""`db grants`: the rights that a role of PostgreSQL needs, as SQL."""

from typing import Annotated

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output

Role = Annotated[
    str, typer.Option(help="The role that may read the report views, and nothing else.", metavar="NAME")
]
Timeout = Annotated[str, typer.Option(help="How long one statement of that role may take.", metavar="30s")]


def grants(role: Role, timeout: Timeout = "30s", as_json: JsonOption = False) -> None:
    """Prints SQL for a role that can select the report views and nothing else; it changes nothing by itself.

    chat-hygiene db grants --role report | psql --set ON_ERROR_STOP=1 DATABASE

    Run it as the owner of the tables, again after each upgrade of the schema. SQLite has no roles.

    Exit codes: 0 done, 2 with SQLite, or the name cannot be a role's.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    sql = wiring.report_grants(settings, role, timeout=timeout)
    output = Output(as_json=as_json)
    if as_json:
        output.document("db.grants", role=role, sql=sql)
    else:
        # Never wrapped, as a terminal's lines are.
        typer.echo(sql, nl=False)
