"""`fake-api`: the built-in fake of the service, alone, to try policies and settings on."""

from typing import Annotated

import typer

from chat_hygiene.cli.output import JsonOption, Output

_TOKEN = "fake-token"  # noqa: S105 - opens nothing but the fake


def fake_api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    token: Annotated[str, typer.Option(help="The API token that it accepts.")] = _TOKEN,
    chats: Annotated[int, typer.Option(min=1, help="About how many chats it has.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed gives the same account.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Serves an invented account, with two numbers and a few hundred chats, until you press Ctrl-C.

    It keeps its state in memory: what is deleted is gone until it is started again.
    """
    from chat_hygiene.clock import utc_now
    from chat_hygiene.providers.fake import serve_forever

    output = Output(as_json=as_json)

    def announce(url: str) -> None:
        if as_json:
            output.document("fake-api", url=url)
        else:
            output.good(f"the fake API listens on {url}")
            output.say("  To use it from another terminal:")
            shown = token if token == _TOKEN else "…"
            output.line(f"  export CHAT_HYGIENE_API_URL={url} CHAT_HYGIENE_API_TOKEN={shown}")
            output.say("  Ctrl-C ends it.")

    serve_forever(utc_now, host=host, port=port, token=token, chats=chats, seed=seed, announce=announce)
