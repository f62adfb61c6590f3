"""Free ports for programs that take no port 0, given to tests that run side by side."""

from __future__ import annotations

import random
import socket

import pytest

from bindpost.proxy.local import free_port


def test_each_kind_can_be_bound_on_each_address() -> None:
    """The port is free for TCP and for UDP on all that was asked for."""
    port = free_port("127.0.0.1", "127.0.0.2", kinds=(socket.SOCK_STREAM, socket.SOCK_DGRAM))

    for host in ("127.0.0.1", "127.0.0.2"):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as sock:
                sock.bind((host, port))


def test_two_that_are_seeded_alike_get_different_ports() -> None:
    """A test's random numbers are the same in each process, its ports are not."""
    given = []
    for _ in range(2):
        random.seed(1)
        given.append([free_port() for _ in range(3)])

    assert given[0] != given[1]


def test_who_asks_for_any_port_is_not_given_it() -> None:
    """It lies outside the range from which Linux gives ports by itself, as that is by default."""
    assert all(free_port() < 32768 for _ in range(100))


def test_an_address_that_is_not_here_raises() -> None:
    """An address of another machine is an error, not a port that is taken."""
    with pytest.raises(OSError, match="assign"):
        free_port("192.0.2.1")
