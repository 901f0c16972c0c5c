"""Whether another worker lives on the same SQLite file: a file lock, which the system drops when a process dies.

So a killed worker's leases need not be waited out when its successor starts. With PostgreSQL leases end by time alone:
a worker may live on another machine.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def working(database: Path, *, when_alone: Callable[[], object]) -> Iterator[None]:
    """Held while this process works. Calls `when_alone` first if no other worker lives; none can start during it."""
    with database.with_name(database.name + "-lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            when_alone()
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
