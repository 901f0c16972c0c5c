"""`db grants`: the rights that a role of PostgreSQL needs, as SQL."""

from typing import Annotated

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output
from chat_hygiene.core.errors import UsageError

Role = Annotated[
    str | None, typer.Option(help="A role that may read the report views, and nothing else.", metavar="NAME")
]
App = Annotated[
    str | None,
    typer.Option(help="A role that may do the work, and only add to the audit.", metavar="NAME"),
]
Timeout = Annotated[str, typer.Option(help="How long one statement of that role may take.", metavar="30s")]


def grants(role: Role = None, app: App = None, timeout: Timeout = "30s", as_json: JsonOption = False) -> None:
    """Prints SQL for a role that can do one thing and nothing else; it changes nothing by itself.

    chat-hygiene db grants --role report | psql --set ON_ERROR_STOP=1 DATABASE

    --role is for dashboards: it reads the report views. --app is for the service: it cannot change or remove what stands in
    the audit, so let the owner of the tables only upgrade the schema and purge the audit.

    Run it as that owner, again after each upgrade of the schema. SQLite has no roles.

    Exit codes: 0 done, 2 with SQLite, or the name cannot be a role's.
    """
    if (name := role or app) is None or (role and app):
        raise UsageError(
            "one of --role and --app is needed", fix="--role NAME for dashboards, --app NAME for the service"
        )
    settings = start.settings()

    from chat_hygiene import wiring

    if app is None:
        sql = wiring.report_grants(settings, name, timeout=timeout)
    else:
        sql = wiring.app_grants(settings, name)
    output = Output(as_json=as_json)
    if as_json:
        output.document("db.grants", role=name, sql=sql)
    else:
        # Never wrapped, as a terminal's lines are.
        typer.echo(sql, nl=False)
