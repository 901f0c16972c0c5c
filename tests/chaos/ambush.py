"""A kill that is laid for a call: at which moment of the how-manieth one, by which signal, and whom it struck."""

import signal
import threading
from dataclasses import dataclass, field

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
