"""The real command, as a person or a scheduler starts it: a process of its own, without a terminal."""

import os
import subprocess
import sys
from pathlib import Path

from chat_hygiene import wiring
from chat_hygiene.settings import load_settings
from chat_policies import load
from support.outside import TOKEN

COMMAND = Path(sys.executable).with_name("chat-hygiene")
QUICK = {
    "CHAT_HYGIENE_REQUESTS_PER_MINUTE": "60000",
    "CHAT_HYGIENE_READ_DEADLINE_SECONDS": "1",
    "CHAT_HYGIENE_DELETE_DEADLINE_SECONDS": "2",
    "CHAT_HYGIENE_LEASE_SECONDS": "4",
    "CHAT_HYGIENE_RETRY_BASE_SECONDS": "0.2",
    "CHAT_HYGIENE_REFUSAL_CONFIRM_SECONDS": "0.3",
    "CHAT_HYGIENE_PSEUDONYM_KEY": "pseudonym-key-of-the-tests-0123456789",
    "CHAT_HYGIENE_AUDIT_KEY": "audit-key-of-the-tests-0123456789abcd",
}


def opened(env: dict[str, str]):
    """The ledger of such an environment, opened in this process: a test's own steps need no process of their own."""
    given = {
        name.removeprefix("CHAT_HYGIENE_").lower(): value
        for name, value in env.items()
        if "CHAT_HYGIENE_" in name
    }
    return wiring.open_ledger(load_settings(**given))


def apply(env: dict[str, str], document: str) -> None:
    with opened(env) as ledger:
        wiring.apply(ledger, load(document.encode(), "policies.yaml"), now=ledger.now())


def verified(env: dict[str, str]) -> bool:
    with opened(env) as ledger:
        return wiring.verify_audit(ledger).ok


def environment(database_url: str, api_url: str, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_HYGIENE_")}
    return {
        **kept,
        **QUICK,
        "CHAT_HYGIENE_DATABASE_URL": database_url,
        "CHAT_HYGIENE_API_URL": api_url,
        "CHAT_HYGIENE_API_TOKEN": TOKEN,
        "NO_COLOR": "1",
        **more,
    }


def start(args: list[str], env: dict[str, str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(COMMAND), *args],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(args: list[str], env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    with start(args, env, cwd) as process:
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(args, process.returncode, out, err)
