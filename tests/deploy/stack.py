"""The compose file as a test reads and runs it: its own words, with this machine's paths and ports in the container's place."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("chat-hygiene:")]

BIN = Path(sys.executable).parent

# A stand-in for a client that the test's server comes without: asks what it is told to, with the password that the
# environment has, and prints the answer.
_REDIS_CLI = """#!{python}
import os, sys, redis
client = redis.Redis(port=int(os.environ["TEST_REDIS_PORT"]), password=os.environ.get("REDISCLI_AUTH"))
try:
    answer = client.execute_command(*sys.argv[1:])
    print("PONG" if answer is True else answer)
except redis.exceptions.AuthenticationError as error:
    print("NOAUTH", error)
"""


def words(command: str | list[str]) -> list[str]:
    """A command or a health check as the container's engine runs it."""
    if isinstance(command, str):
        return ["sh", "-c", _plain(command)]
    match command:
        case ["CMD", *rest]:
            return [_plain(word) for word in rest]
        case ["CMD-SHELL", text]:
            return ["sh", "-c", _plain(text)]
    return [_plain(word) for word in command]


def _plain(word: object) -> str:
    return str(word).replace("$$", "$")


class Stack:
    """Runs what the compose file says. `places` maps what stands there to what it is here; longer ones first."""

    def __init__(self, home: Path, places: Mapping[str, str], path: list[Path], **environment: str) -> None:
        self._home = home
        self._places = dict(sorted(places.items(), key=lambda item: -len(item[0])))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_HYGIENE_")}
        self._environment = {
            **kept,
            **environment,
            "PATH": os.pathsep.join([*map(str, path), str(BIN), os.environ["PATH"]]),
        }

    def command(self, service: str) -> list[str]:
        return [self._here(word, service) for word in words(SERVICES[service]["command"])]

    def check(self, service: str) -> subprocess.CompletedProcess[str]:
        """Runs the service's health check once."""
        test = [self._here(word, service) for word in words(SERVICES[service]["healthcheck"]["test"])]
        return self._run(test, service)

    def run(self, service: str) -> subprocess.CompletedProcess[str]:
        """Runs the service's command to its end."""
        return self._run(self.command(service), service)

    def healthy(self, service: str, process: subprocess.Popen[str] | None = None) -> str:
        """Waits until the health check passes, as the engine does. Empty, or what it said last."""
        said = ""
        for _ in range(240):
            done = self.check(service)
            if done.returncode == 0:
                return ""
            said = done.stdout + done.stderr
            try:
                if process is not None:
                    process.wait(0.25)
                    return f"{service} ended with {process.returncode}: {self.log(service)}"
            except subprocess.TimeoutExpired:
                continue
        return f"{service}: {said}\n{self.log(service)}"

    @contextmanager
    def started(self, service: str) -> Iterator[subprocess.Popen[str]]:
        """The service's command as a running process; killed at the end if it still runs."""
        with (
            self._log(service).open("w") as log,
            subprocess.Popen(
                self.command(service),
                env=self.environment(service),
                cwd=self.folder(service),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):  # its children, too
                    os.killpg(process.pid, signal.SIGKILL)

    def folder(self, service: str) -> Path:
        """Where it runs: nothing may ever be written there, as it is read-only in the container."""
        folder = self._home / service / "cwd"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def log(self, service: str) -> str:
        file = self._log(service)
        return file.read_text()[-3000:] if file.exists() else ""

    def environment(self, service: str) -> dict[str, str]:
        given = SERVICES[service].get("environment", {})
        return self._environment | {name: self._here(str(value), service) for name, value in given.items()}

    def _log(self, service: str) -> Path:
        return self.folder(service).parent / "log"

    def _run(self, command: list[str], service: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment(service),
            cwd=self.folder(service),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _here(self, word: str, service: str) -> str:
        for there, here in self._places.items():
            word = word.replace(there, here.format(service=service))
        return word


def program(folder: Path, name: str, text: str) -> None:
    """Puts an executable script into a folder of PATH."""
    file = folder / name
    file.write_text(text)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def redis_cli(folder: Path) -> None:
    program(folder, "redis-cli", _REDIS_CLI.format(python=sys.executable))
