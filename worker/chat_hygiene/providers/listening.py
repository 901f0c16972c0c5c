"""A port to serve on."""

import socket


def listen(host: str, port: int) -> socket.socket:
    """Listens there; port 0 takes a free one. Raises OSError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=128)
    # What it accepts inherits it; asyncio asks for it only where a socket names its protocol, which this one does not. Without
    # it the end of each answer waits until the client has acknowledged the beginning, and clients put that off for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
