"""The real command, as a child process with an environment of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TOKEN = "tok-3f9a1c77-e2b4-4c56-9d11-8ab05c9e7712"


@dataclass
class Command:
    """Runs `chat-hygiene` in `folder`; `settings` are CHAT_HYGIENE_ variables without the prefix."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, code: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
        wanted = self.settings | settings
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("CHAT_HYGIENE_")
        }
        environment |= {f"CHAT_HYGIENE_{name.upper()}": value for name, value in wanted.items()}
        done = subprocess.run(
            [Path(sys.executable).with_name("chat-hygiene"), *words],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, (
            f"{words}: exit {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
        )
        for secret in (
            TOKEN,
            *(value for name, value in wanted.items() if value and name.endswith(("_key", "_token"))),
        ):
            assert secret not in done.stdout + done.stderr, f"{words} shows a secret"
        return done

    def json(self, *words: str, code: int = 0, **settings: str) -> dict[str, Any]:
        document = json.loads(self(*words, "--json", code=code, **settings).stdout)
        assert document["version"] == 1
        return document

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command in an empty folder, with a token and SQLite."""
    folder = tmp_path / "here"
    folder.mkdir()
    return Command(folder, {"api_token": TOKEN})
