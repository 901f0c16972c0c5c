"""Where a target that an operator wrote may lead: to public addresses, unless a setting allows others."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_GLOBAL_UNICAST = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")
_NOT_PUBLIC = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
"""Special ranges that older Pythons take for public."""

_refused: ContextVar[list[str] | None] = ContextVar("refused", default=None)


def is_public(address: Address) -> bool:
    """Whether it is an ordinary address of the public Internet; of one that embeds another, whether that one is."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
        if address not in _GLOBAL_UNICAST:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NOT_PUBLIC)
    )


@contextmanager
def public_only() -> Iterator[list[str]]:
    """Within it, connections of this context that lead elsewhere fail as OSError, whichever library opens them.

    What is judged is the address that is connected to, so that a name cannot answer differently a moment later. Yields
    the addresses that were refused. Threads count that were started with a copy of the context.
    """
    _watch()
    found: list[str] = []
    token = _refused.set(found)
    try:
        yield found
    finally:
        _refused.reset(token)


@cache
def _watch() -> None:
    # A hook of the interpreter cannot be taken out again; it looks away from all but the contexts above.
    sys.addaudithook(_judge)


def _judge(event: str, arguments: tuple[object, ...]) -> None:
    if event not in {"socket.connect", "socket.sendto"} or (refused := _refused.get()) is None:
        return
    target = arguments[1]
    host = str(target[0]) if isinstance(target, tuple) else str(target)
    try:
        public = is_public(ip_address(host.partition("%")[0]))
    except ValueError:  # the path of a local socket
        public = False
    if not public:
        refused.append(host)
        raise PermissionError("its address is not public")
