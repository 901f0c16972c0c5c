"""Which addresses are public, and that no connection of a guarded context leads elsewhere."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from ipaddress import ip_address

import pytest

from chat_hygiene.providers.addresses import is_public, public_only

INSIDE = """0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 192.0.0.8 192.0.2.1 192.88.99.1 192.168.0.1
    198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::1.2.3.4 ::ffff:10.0.0.1
    64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::
    3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1"""
OUTSIDE = "1.1.1.1 8.8.8.8 100.128.0.1 172.32.0.1 ::ffff:1.1.1.1 64:ff9b::1.1.1.1 2002:101:101:: 2606:4700:4700::1111"


@pytest.mark.parametrize("address", INSIDE.split())
def test_an_address_that_is_not_public_is_known(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE.split())
def test_a_public_address_is_known(address):
    assert is_public(ip_address(address))


@pytest.fixture
def inside():
    """A server on loopback: its address, and how many came."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        yield server


def came(server):
    try:
        server.accept()[0].close()
    except TimeoutError:
        return False
    return True


def test_whatever_name_leads_inside_no_connection_is_made(inside):
    port = inside.getsockname()[1]
    with public_only() as refused:
        for host in ("127.0.0.1", "localhost", "::ffff:127.0.0.1"):
            with pytest.raises(OSError, match="not public"):
                socket.create_connection((host, port), timeout=1)
        with socket.socket(type=socket.SOCK_DGRAM) as letter, pytest.raises(OSError, match="not public"):
            letter.sendto(b"x", ("127.0.0.1", port))
    assert "127.0.0.1" in refused
    assert not came(inside)


def test_the_rest_of_the_process_connects_as_before(inside):
    with ThreadPoolExecutor(2) as pool, public_only():
        reach = lambda: socket.create_connection(inside.getsockname(), timeout=1).close()  # noqa: E731
        pool.submit(reach).result()
        assert came(inside)
        with pytest.raises(OSError, match="not public"):
            pool.submit(copy_context().run, reach).result()
    reach()
    assert came(inside)
