"""A kill that is laid for a call: at which moment of the how-manieth one, by which signal, and whom it struck."""

import signal
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, text

from support.outside import Call

MOMENTS = ("received", "acted", "answered")
"""The moments of a call, as the server tells them."""


@dataclass
class Ambush:
    """Waits for a call and kills the worker that made it. `victim` is its name in leases, once `struck` is set."""

    moment: str
    calls_left: int
    delay: float
    signal: signal.Signals
    struck: threading.Event = field(default_factory=threading.Event)
    victim: str | None = None
    call: Call | None = None

    @property
    def pid(self) -> int:
        """The victim's process."""
        assert self.victim is not None
        return int(self.victim.split(":")[-2])


def stands_still(pid: int) -> bool:
    """Whether every thread of a process that was sent SIGSTOP has stopped: the signal takes its time."""
    states = [
        file.read_text().rpartition(")")[2].split()[0] for file in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    return set(states) <= {"T", "t"}


def in_transaction(engine: Engine) -> bool:
    """Whether anybody else is in the middle of a transaction that locks something."""
    if engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(engine.url.database, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError:
                return True
        return False
    others = "datname = current_database() and xact_start is not null and pid <> pg_backend_pid()"
    with engine.connect() as connection:
        return bool(
            connection.execute(text(f"select count(*) from pg_stat_activity where {others}")).scalar_one()
        )
