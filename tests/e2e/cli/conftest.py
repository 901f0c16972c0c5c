"""The real command, as a child process with an environment of its own, against a served fake account.

Most runs are forked from a warm process: importing costs more than what they do. At a terminal it starts afresh.
"""

import json
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chat_hygiene.clock import utc_now
from chat_hygiene.providers.fake.believable import demo_world
from chat_hygiene.providers.fake.server import RunningServer, serve
from chat_hygiene.providers.fake.world import World
from support.forking import Run
from support.inbox import POLICIES

COMMAND = Path(sys.executable).with_name("chat-hygiene")
TOKEN = "tok-3f9a1c77-e2b4-4c56-9d11-8ab05c9e7712"
KEYS = {
    "pseudonym_key": "pseudonym-key-of-this-test-0123456789",
    "audit_key": "audit-key-of-this-test-0123456789abc",
}
QUICK = {"requests_per_minute": "60000", "retry_base_seconds": "0.1", "refusal_confirm_seconds": "0.2"}


@dataclass
class Command:
    """Runs `chat-hygiene` in `folder`; `settings` are CHAT_HYGIENE_ variables without the prefix."""

    folder: Path
    forked: Run
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self, **settings: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_HYGIENE_")}
        mine = {f"CHAT_HYGIENE_{name.upper()}": value for name, value in (self.settings | settings).items()}
        return kept | mine

    def __call__(self, *words: str, code: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as away:
            output, errors = Path(away, "out"), Path(away, "err")
            returned = self.forked(list(words), self.environment(**settings), self.folder, output, errors)
            done = subprocess.CompletedProcess(words, returned, output.read_text(), errors.read_text())
        self.check(words, code, done.returncode, done.stdout, done.stderr)
        return done

    def check(self, words: tuple[str, ...], code: int, returned: int, *outputs: str) -> None:
        output = "\n".join(outputs)
        assert returned == code, f"{words}: exit {returned}, not {code}\n{output}"
        assert TOKEN not in output, f"{words} shows the token"
        assert not any(key in output for key in KEYS.values()), f"{words} shows a key"
        number = re.search(r"(?<![0-9a-z])\+?[0-9]{9,}", re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "", output))
        assert number is None, f"{words} shows a full number: {number}"

    def json(self, *words: str, code: int = 0, **settings: str) -> dict[str, Any]:
        document = json.loads(self(*words, "--json", code=code, **settings).stdout)
        assert document["version"] == 1
        return document

    def at_terminal(self, *words: str, answers: str = "", code: int = 0, **settings: str) -> str:
        """Runs it on a terminal of its own, typing `answers`; returns what the screen was sent."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [COMMAND, *words], cwd=self.folder, env=self.environment(**settings) | {"TERM": "xterm", "COLUMNS": "80"},
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        os.write(ours, answers.encode())
        shown = b""
        while select.select([ours], [], [], 120)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
        os.close(ours)
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
        self.check(words, code, process.wait(timeout=10), text)
        return text

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name


@pytest.fixture
def command(tmp_path: Path, forked: Run) -> Command:
    """The command in an empty folder, with a token and SQLite; there is no API to reach."""
    folder = tmp_path / "here"
    folder.mkdir()
    return Command(folder, forked, {"api_token": TOKEN, "api_url": "http://127.0.0.1:9/v1"})


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """A fake account of some chats, three of them special."""
    with serve(demo_world(utc_now, chats=80, token=TOKEN)) as server:
        yield server


@pytest.fixture
def world(server: RunningServer) -> World:
    """What the fake account holds, and what was asked of it."""
    return server.world


@pytest.fixture
def account(command: Command, server: RunningServer) -> Command:
    """The command with that account, on SQLite."""
    command.settings |= {"api_url": server.url} | KEYS | QUICK
    return command


@pytest.fixture
def anywhere(account: Command, database_url: str) -> Command:
    """The command with that account, once on each engine."""
    account.settings["database_url"] = database_url
    return account


@pytest.fixture
def policies(command: Command) -> str:
    """A document with one policy that deletes at once, and one that keeps."""
    return command.file("policies.yaml", POLICIES)
