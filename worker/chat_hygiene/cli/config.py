"""`config show`: every setting, its value and where it comes from; of a secret only whether it is set."""

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import typer

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output

if TYPE_CHECKING:
    from chat_hygiene.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The settings in force.")


@app.command()
def show(as_json: JsonOption = False) -> None:
    """Lists every setting, its value and where it comes from.

    Secrets are never shown, only whether they are set. Exit codes: 0 done, 3 a setting is invalid.
    """
    settings = start.settings()
    rows = [
        {"name": f"CHAT_HYGIENE_{name.upper()}", "value": _shown(name, settings), "source": source}
        for name, source in _sources(settings).items()
    ]
    output = Output(as_json=as_json)
    if as_json:
        output.document("config", settings=rows)
    else:
        output.table(
            ["Setting", "Source", "Value"],
            ([row["name"], row["source"], _text(row["value"])] for row in rows),
        )


def _shown(name: str, settings: "Settings") -> Any:  # noqa: ANN401 - whatever the setting holds
    from pydantic import SecretStr

    value = getattr(settings, name)
    if not isinstance(value, SecretStr):
        return settings.model_dump(mode="json", include={name})[name]
    if not name.endswith("_url"):
        return "set"
    url = urlsplit(value.get_secret_value())
    # Of an address what says which server it is: no user, no password, no options, and no path that is itself the secret.
    path = "" if name == "ping_url" else url.path
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{path}"


def _sources(settings: "Settings") -> dict[str, str]:
    from dotenv import dotenv_values

    from chat_hygiene.settings import PREFIX, SECRETS

    environment = {name.upper() for name, value in os.environ.items() if value}
    file = {name.upper() for name, value in dotenv_values(".env").items() if value}
    found = {}
    for name in type(settings).model_fields:
        variable = f"{PREFIX}{name.upper()}"
        if name in SECRETS and f"{variable}_FILE" in environment:
            found[name] = "file"
        elif variable in environment:
            found[name] = "environment"
        else:
            found[name] = ".env" if variable in file else "default"
    return found


def _text(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not set" if value is None else value
