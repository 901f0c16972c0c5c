"""A warm interpreter that forks the workers under test: each is a process of its own, and costs no import.

Started as a script it reads one JSON order a line and answers `{"pid": …}` at once and `{"ended": …, "code": …}` when that
worker has ended. `Zygote` is the other side of it, for a test.
"""

import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_SET_PARENT_DEATH_SIGNAL = 1


# ── the test's side ──


@dataclass
class Worker:
    """A forked process. `code` is its exit code, negative for a signal, once `ended` is set."""

    pid: int
    log: Path
    ended: threading.Event = field(default_factory=threading.Event)
    code: int | None = None

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal; one that has ended is left alone."""
        if not self.ended.is_set():
            os.kill(self.pid, number)

    def wait(self, seconds: float = 120) -> int:
        """Its exit code."""
        assert self.ended.wait(seconds), f"worker {self.pid} has not ended after {seconds} s:\n{self.said()}"
        assert self.code is not None
        return self.code

    def said(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text(errors="replace")[-4000:]


class Zygote:
    """The warm process, as a test drives it."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder = process, folder
        self._workers: dict[int, Worker] = {}
        self._born: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_warm = threading.Event()
        self._count = 0
        self._log = folder / "worker.log"
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(
        self, work: str, env: dict[str, str], *, fuse: tuple[str, int] | None = None, pages: int | None = None
    ) -> Worker:
        """Forks a worker that does `work`, a name of `workers.WORK`.

        `fuse` is a point of `killer.POINTS` and at which passing it dies there; `pages` is the most that its SQLite file
        may grow by.
        """
        with self._lock:
            self._count += 1
            self._log = self._folder / f"worker-{self._count}.log"
            order = {
                "work": work,
                "env": env,
                "fuse": fuse,
                "pages": pages,
                "log": str(self._log),
                "folder": str(self._folder),
            }
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return self._born.get(timeout=30)

    def warm(self, work: str, env: dict[str, str]) -> None:
        """Does `work` in the warm process itself, once, so that no worker pays for what is loaded when first used."""
        order = {"warm": work, "env": env}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        assert self._is_warm.wait(60), "the warm process did not get warm"

    def close(self) -> None:
        """Ends it; its workers die with it."""
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join()
        self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            told = json.loads(line)
            if "warm" in told:
                self._is_warm.set()
            elif "pid" in told:
                worker = self._workers[told["pid"]] = Worker(told["pid"], self._log)
                self._born.put(worker)
            else:
                worker = self._workers[told["ended"]]
                worker.code = told["code"]
                worker.ended.set()


@contextmanager
def zygote(folder: Path, tree: Path | None = None) -> Iterator[Zygote]:
    """A warm process for the length of the block; logs of its workers go to `folder`.

    With `tree` they run the product that lies there instead of the one under test.
    """
    env = dict(os.environ)
    if tree is not None:
        env["PYTHONPATH"] = os.pathsep.join(str(tree / each) for each in ("worker", "policies"))
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=env,
    )
    warm = Zygote(process, folder)
    try:
        yield warm
    finally:
        warm.close()


# ── the warm process ──


def serve() -> None:
    """Takes orders until there are no more; then kills what it forked."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from chaos import workers  # the imports that a worker need not pay for

    signal.signal(signal.SIGCHLD, lambda *_: _reap())
    for line in sys.stdin:
        order = json.loads(line)
        if "warm" in order:
            os.environ.update(order["env"])
            workers.work({"work": order["warm"], "fuse": None, "pages": None})
            _tell(warm=os.getpid())
            continue
        # A worker's end is told after its birth.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if not pid:
            _become(order, workers)
        _tell(pid=pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _tell(ended=pid, code=os.waitstatus_to_exitcode(status))


def _tell(**what: int) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _become(order: dict, workers: object) -> None:
    code = 1
    try:
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        os.environ.clear()
        os.environ.update(order["env"])
        # Who moved a job is then told apart in the audit, process by process.
        os.environ["CHAT_HYGIENE_ACTOR"] = f"worker-{os.getpid()}"
        os.chdir(order["folder"])
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
            os.dup2(source, number)
        code = workers.work(order)
    except BaseException:  # noqa: BLE001 - the log is the only place where it can be seen
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
