"""The verbs, in the order of the help, and the group that imports one when it is called: the list of them imports none.

The line that the list shows of a verb stands here; a test holds it against the verb's own help.
"""

from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

VERBS = {
    # What somebody new needs, in the order in which they need it.
    "demo": "Shows the whole job without an account: sync, preview, run, and the ledger of what happened and why.",
    "init": "Writes a commented policies.yaml and .env; a file that is there already is left alone.",
    "doctor": "Checks settings, database, keys, audit, the worker, the API, the token and each number; says how to mend what is not well.",
    "sync": "Reads the chats of every number of the account into the store; deletes nothing.",
    "preview": "Lists every chat that would go, and why; sends nothing, syncs nothing, stores nothing.",
    "run": "Does the whole job once: syncs, evaluates the policies, deletes what is due, and says what happened and why.",
    "schedule": "Shows when each policy runs in the coming days, on the clock of its zone and in UTC; changes nothing.",
    "up": "Runs everything in this one process, until you press Ctrl-C: schedules, syncs, deletions and the web page.",
    "explain": "Says for each policy, clause by clause, why a chat goes or stays, when it leaves or becomes eligible, and what happened to it.",
    "erase": "Deletes the chats of one person at once, in WhatsApp and on the platform, and then empties what is stored of them.",
    "stop": "Stops all deleting at once, by every process, until `start`: the call that is out is finished, and no other is made.",
    "start": "Lets deleting go on after `stop`. It says how many deletions are due at once, and asks.",
    "worker": "Works as one of many, over a Redis broker, until it is told to end: what is out is finished first.",
    "beat": "Wakes the workers up, at fixed intervals, over a Redis broker, until it is told to end. Two do no harm.",
    "fake-api": "Serves an invented account, with two numbers and a few hundred chats, until you press Ctrl-C.",
    "policy": "Retention policies: check, store, look at.",
    "runs": "Runs of policies, and deciding about those that await approval.",
    "hold": "Legal holds: what stays, whatever any policy says.",
    "jobs": "Delete jobs: where each stands.",
    "debt": "Chats removed locally that may still be in WhatsApp.",
    "audit": "The audit trail: what was done, when, by whom, under which rule.",
    "db": "The database's schema.",
    "config": "The settings in force.",
    "webhooks": "Hints from the provider that something changed.",
    "notify": "Messages to people, when something is wrong.",
    "web": "Serves the page, /healthz, /readyz, /metrics and, with a webhook token, /webhooks until SIGTERM or Ctrl-C.",
}
# Where they are, if not in a file of their name; and a noun's verbs that have files of their own.
_ELSEWHERE = {
    "start": "stop.start",
    "beat": "worker.beat",
    "fake-api": "fake_api.fake_api",
    **{noun: f"{noun}.app" for noun in list(VERBS)[list(VERBS).index("policy") :]},
}
_MORE = {
    "policy": {
        "apply": "apply.apply",
        "history": "history.history",
        "pause": "pausing.pause",
        "resume": "pausing.resume",
    },
    "audit": {
        "certificate": "certificate.certificate",
        "export": "audit_files.export",
        "head": "audit_files.head",
        "purge": "audit_files.purge",
    },
    "db": {"grants": "grants.grants"},
}


class Verbs(TyperGroup):
    """All verbs: as lines of a list, and the one that is called as itself."""

    def __init__(self, **more: Any) -> None:  # noqa: ANN401 - as typer hands it on
        super().__init__(**more)
        self.commands = {name: TyperCommand(name, help=line) for name, line in VERBS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - types of typer's own copy of click
        """The verb that is called, with its options."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else load(name), rest


@cache
def load(name: str) -> Any:  # noqa: ANN401 - a command or a group, of typer's own copy of click
    """A verb; a noun comes with its verbs."""
    found, host = _named(_ELSEWHERE.get(name, f"{name}.{name}")), typer.Typer(add_completion=False)
    if isinstance(found, typer.Typer):
        for verb, place in _MORE.get(name, {}).items():
            found.command(verb)(_named(place))
        host.add_typer(found, name=name)
    else:
        host.command(name)(found)
    return get_group(host).commands[name]


def _named(place: str) -> Any:  # noqa: ANN401 - a function, or a noun's typer
    module, _, name = place.partition(".")
    return getattr(import_module(f"chat_hygiene.cli.{module}"), name)
