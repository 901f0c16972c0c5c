"""A port to serve on, and the end of the thread that serves there."""

import socket
import threading

LOOK = 0.5
"""Seconds between two looks whether a signal came."""


def listen(host: str, port: int) -> socket.socket:
    """Listens there; port 0 takes a free one. Raises OSError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=128)
    # What it accepts inherits it; asyncio asks for it only where a socket names its protocol, which this one does not. Without
    # it the end of each answer waits until the client has acknowledged the beginning, and clients put that off for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def wait_for(thread: threading.Thread) -> None:
    """Blocks until it ends; signals that come meanwhile are handled.

    Python handles one that came just before the wait when that is over: a wait without an end would lose it.
    """
    while thread.is_alive():
        thread.join(LOOK)
