"""`demo`: the whole job on the built-in fake of the service, in a temporary folder; leaves nothing behind."""

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.text import Text

from chat_hygiene.cli import apply, policy, preview, run, summary, sync
from chat_hygiene.cli.audit import event_table
from chat_hygiene.cli.output import JsonOption, Output, count

if TYPE_CHECKING:
    from chat_hygiene.settings import Settings
    from chat_hygiene.wiring import Ledger

_SHOWN = 5


def demo(as_json: JsonOption = False) -> None:
    """Shows the whole job without an account: sync, preview, run, and the ledger of what happened and why.

    It runs on a built-in fake of the service, with two numbers and a few hundred invented chats, in a temporary folder that is removed at the end. Your settings and your data are not touched.
    """
    from chat_hygiene import wiring

    output = Output(as_json=as_json, one_stream=not as_json)
    with (
        TemporaryDirectory(prefix="chat-hygiene-demo-") as folder,
        _served(Path(folder)) as settings,
        wiring.open_ledger(settings) as ledger,
    ):
        (_work if as_json else _tell)(output, ledger)


@contextmanager
def _served(folder: Path) -> Iterator["Settings"]:
    """Serves the fake account, with settings that are quick and come from nowhere else."""
    from chat_hygiene.clock import utc_now
    from chat_hygiene.providers.fake.believable import demo_world
    from chat_hygiene.providers.fake.server import serve
    from chat_hygiene.settings import PREFIX, load_settings

    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        del os.environ[name]
    token = secrets.token_hex(8)
    with serve(demo_world(utc_now, token=token)) as server:
        yield load_settings(
            _env_file=None,
            database_url=f"sqlite:///{folder / 'demo.db'}",
            api_url=server.url,
            api_token=token,
            actor="demo",
            requests_per_minute=60_000,
            retry_base_seconds=0.1,
            refusal_confirm_seconds=0.5,
        )


def _work(output: Output, ledger: "Ledger") -> None:
    from chat_hygiene import wiring

    wiring.sync_once(ledger, full=True, watcher=wiring.Watcher())
    wiring.apply(ledger, policy.read(_example()), now=ledger.now())
    report = wiring.run_once(ledger, [], watcher=wiring.Watcher())
    verdict = wiring.verify_audit(ledger)
    output.document("demo", run=summary.document(report), audit=asdict(verdict))


def _tell(output: Output, ledger: "Ledger") -> None:
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
    policies = policy.read(_example())
    for effect in wiring.effects(ledger, policies, now=ledger.now()):
        apply.show(output, effect)
    wiring.apply(ledger, policies, now=ledger.now())

    output.heading("3  Preview: which would go now, and why?", "chat-hygiene preview resolved-30d")
    now = ledger.now()
    first = policy.named(ledger, "resolved-30d")
    planned = wiring.preview(ledger, first, now=now)
    preview.show(output, planned, now, most=_SHOWN)

    output.heading("4  Run: delete them, each read again just before", "chat-hygiene run")
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

    output.heading("That was all, and nothing of it is left on this machine. Next, for your own account", "")
    _next_steps(output)


def _stories() -> dict[str, str]:
    from chat_hygiene.providers.fake.believable import ANSWERING, REFUSED, VANISHING

    return {
        REFUSED: "WhatsApp refused, and refused again: off the platform, but still in WhatsApp. That is kept as debt.",
        ANSWERING: "A message arrived after the sync. The read just before the delete saw it: nothing was sent.",
        VANISHING: "The vendor no longer had it at the read just before the delete: nothing was sent.",
    }


def _next_steps(output: Output) -> None:
    steps = {
        "chat-hygiene init": "a commented policies.yaml and .env",
        "chat-hygiene doctor": "is the token good, is each number usable?",
        "chat-hygiene sync": "reads the chats; deletes nothing",
        "chat-hygiene preview policies.yaml": "which chats would go, and why",
    }
    for command, does in steps.items():
        output.line("  ", Text(f"{command:<34}", style="bold"), f"  {does}")
    if shutil.which("chat-hygiene") is None:
        output.line(f"Here the command is {os.path.relpath(sys.argv[0])}.")


def _example() -> Path:
    import chat_hygiene

    package = Path(chat_hygiene.__file__).parent
    installed, checkout = package / "examples", package.parents[1] / "policies" / "examples"
    return (installed if installed.is_dir() else checkout) / "support-team.yaml"
