"""`demo`: the whole job on the built-in fake of the service; leaves nothing behind, unless it is served to be tried."""

import logging
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from chat_hygiene.cli import apply, demo_folder, policy, preview, run, summary, sync
from chat_hygiene.cli.audit import event_table
from chat_hygiene.cli.output import JsonOption, Output, count

if TYPE_CHECKING:
    from chat_hygiene.providers.fake.server import RunningServer
    from chat_hygiene.settings import Settings
    from chat_hygiene.wiring import Ledger
    from chat_policies import Policy

_SHOWN = 5


def demo(
    serve: Annotated[
        bool,
        typer.Option("--serve", help=f"Work in ./{demo_folder.KEPT} and keep the account until Ctrl-C."),
    ] = False,
    reset: Annotated[
        bool, typer.Option("--reset", help="Remove what an earlier --serve left; with --serve, then go on.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Shows the whole job without an account: sync, preview, run, and the ledger of what happened and why.

    It runs on a built-in fake of the service, with two numbers and a few hundred invented chats, in a temporary folder that is removed at the end. Your settings and your data are not touched.

    With --serve the folder stays, and the account goes on answering: a second terminal can try every command on it.
    """
    output = Output(as_json=as_json, one_stream=not as_json)
    removed = demo_folder.remove() if reset else False
    if serve:
        _serve(output)
    elif reset:
        _tell_removed(output, removed=removed)
    else:
        _show(output)


def _show(output: Output) -> None:
    with TemporaryDirectory(prefix="chat-hygiene-demo-") as name:
        folder = Path(name)
        with _account(folder) as (_, settings):
            told = _work(output, folder, settings)
    if output.as_json:
        output.document("demo", **told)
        return
    output.heading("That was all, and nothing of it is left on this machine. Next, for your own account", "")
    steps = {
        "chat-hygiene init": "a commented policies.yaml and .env",
        "chat-hygiene doctor": "is the token good, is each number usable?",
        "chat-hygiene sync": "reads the chats; deletes nothing",
        "chat-hygiene preview policies.yaml": "which chats would go, and why",
    }
    _list(output, steps, Path.cwd())
    output.line("Or keep this account to try things on: chat-hygiene demo --serve")


def _serve(output: Output) -> None:
    exported = _exported()
    folder = demo_folder.keep()
    with _account(folder) as (server, settings):
        try:
            told = _work(output, folder, settings)
        except BaseException:  # Ctrl-C too: half a demo is nothing to keep
            demo_folder.remove()
            raise
        with suppress(KeyboardInterrupt):
            if output.as_json:
                output.document("demo", **told, served={"folder": str(folder), "api_url": server.url})
            else:
                _invite(output, folder, settings, exported)
            server.wait()
    output.say()
    output.good(f"The account is gone. The ledger stays in {demo_folder.KEPT}:")
    output.say("  what only looks still works there; chat-hygiene demo --reset removes it.")


def _invite(output: Output, folder: Path, settings: "Settings", exported: list[str]) -> None:
    from chat_hygiene import wiring

    with wiring.open_ledger(settings) as ledger:
        (owed, *_) = wiring.jobs(ledger, debt=True)
    output.heading("The account goes on answering. Try it from a second terminal", "")
    steps = {
        f"cd {demo_folder.KEPT}": "its .env knows the account and the ledger",
        "chat-hygiene preview": "which chats would go now, and why",
        f"chat-hygiene explain {owed['chat_ref']}": "the refused one",
        "chat-hygiene jobs list": "every delete, and how it ended",
        "chat-hygiene debt list": "what is still in WhatsApp",
        "chat-hygiene audit verify": "is the ledger as it was written?",
        "chat-hygiene policy apply policies.yaml": "after you changed it",
        "chat-hygiene run": "asks, then deletes what matches",
    }
    _list(output, steps, folder)
    if exported:
        output.warn(f"The environment wins over that .env, so type there first: unset {' '.join(exported)}")
    output.line(f"Ctrl-C ends the account. The ledger stays in {demo_folder.KEPT} until")
    output.line("chat-hygiene demo --reset removes that folder, with all that is in it.")


def _tell_removed(output: Output, *, removed: bool) -> None:
    if output.as_json:
        output.document("demo.reset", folder=str(demo_folder.KEPT), removed=removed)
    elif removed:
        output.good(f"removed {demo_folder.KEPT}")
    else:
        output.good(f"there is no {demo_folder.KEPT} here: nothing to remove")


@contextmanager
def _account(folder: Path) -> Iterator[tuple["RunningServer", "Settings"]]:
    """Serves the fake account, with the settings that are written into the folder and come from nowhere else."""
    from chat_hygiene.clock import utc_now
    from chat_hygiene.providers.fake.believable import demo_world
    from chat_hygiene.providers.fake.server import serve
    from chat_hygiene.settings import load_settings
    from chat_hygiene.wiring.telling import configure_logs

    for name in _exported():
        del os.environ[name]
    token = secrets.token_hex(8)
    with serve(demo_world(utc_now, token=token)) as server:
        demo_folder.fill(folder, url=server.url, token=token)
        # The file says where the ledger is for somebody inside the folder; we are not.
        ledger = f"sqlite:///{folder / demo_folder.LEDGER}"
        settings = load_settings(_env_file=folder / ".env", database_url=ledger, actor="demo")
        configure_logs(settings, level=logging.WARNING)
        yield server, settings


def _exported() -> list[str]:
    from chat_hygiene.settings import PREFIX

    return sorted(name for name in os.environ if name.upper().startswith(PREFIX))


def _work(output: Output, folder: Path, settings: "Settings") -> dict[str, Any]:
    """Does the job, and tells it unless a program asked; returns what a program gets."""
    from chat_hygiene import wiring

    policies = policy.read(folder / demo_folder.POLICIES)
    with wiring.open_ledger(settings) as ledger:
        if not output.as_json:
            _tell(output, ledger, policies)
            return {}
        wiring.sync_once(ledger, full=True, watcher=wiring.Watcher())
        wiring.apply(ledger, policies, now=ledger.now())
        report = wiring.run_once(ledger, [], watcher=wiring.Watcher())
        return {"run": summary.document(report), "audit": asdict(wiring.verify_audit(ledger))}


def _tell(output: Output, ledger: "Ledger", policies: "Sequence[Policy]") -> None:
    from chat_hygiene import wiring

    output.heading("chat-hygiene, the whole job", "")
    output.line(
        "A fake of the service runs inside this process: two WhatsApp numbers, a few hundred invented chats."
    )

    output.heading("1  Sync: which chats are there?", "chat-hygiene sync")
    with output.progress() as progress:
        synced = wiring.sync_once(ledger, full=True, watcher=run.watcher(progress))
    sync.show(output, synced)

    output.heading(
        "2  Policies: which of them may go?", "chat-hygiene policy apply policies/examples/support-team.yaml"
    )
    for effect in wiring.effects(ledger, policies, now=ledger.now()).effects:
        apply.show(output, effect)
    wiring.apply(ledger, policies, now=ledger.now())

    output.heading("3  Preview: which would go now, and why?", "chat-hygiene preview resolved-30d")
    now = ledger.now()
    first = policy.named(ledger, "resolved-30d")
    planned = wiring.preview(ledger, first, now=now)
    preview.show(output, planned, now, most=_SHOWN)

    output.heading("4  Run: delete them, each read again just before", "chat-hygiene run")
    output.line(
        "All at once here. For an account of your own the first run of a policy takes the 10 oldest chats,"
    )
    output.line("and the others wait until those have ended well.")
    with output.progress() as progress:
        report = wiring.run_once(ledger, [], watcher=run.watcher(progress))
    summary.show(output, report, with_funnels=False)

    refs = {match.name: match.chat_ref for each in planned.previews for match in each.matches}
    output.heading("5  Three chats went another way", "chat-hygiene explain CHAT")
    for name, story in _stories().items():
        (job,) = wiring.jobs(ledger, chat=refs[name])
        output.line(Text(f"{name}, {job['chat_hint']}", style="bold"), f": {job['state'].replace('_', ' ')}")
        output.line(f"    {story}")

    refused = next(iter(_stories()))
    output.heading(
        "6  The ledger: what happened to the first of them, provably", "chat-hygiene audit list --chat NUMBER"
    )
    event_table(output, reversed(wiring.audit_events(ledger, chat=refs[refused])))
    verdict = wiring.verify_audit(ledger)
    output.good(f"chat-hygiene audit verify: {count(verdict.sealed, 'event')} proven, none was changed")


def _stories() -> dict[str, str]:
    from chat_hygiene.providers.fake.believable import ANSWERING, REFUSED, VANISHING

    return {
        REFUSED: "WhatsApp refused, and refused again: off the platform, but still in WhatsApp. That is kept as debt.",
        ANSWERING: "A message arrived after the sync. The read just before the delete saw it: nothing was sent.",
        VANISHING: "The vendor no longer had it at the read just before the delete: nothing was sent.",
    }


def _list(output: Output, steps: Mapping[str, str], folder: Path) -> None:
    """Commands to type in that folder, with what each does."""
    for command, does in steps.items():
        output.line("  ", Text(f"{command:<40}", style="bold"), f"  {does}")
    if shutil.which("chat-hygiene") is None:
        output.line(f"It is not on your PATH: type {os.path.relpath(sys.argv[0], folder)}.")
