"""Port lists and Local Address Tables."""

from ipaddress import IPv4Address

import pytest

from bindpost.proxy.winsock.ranges import (
    LocalAddressTable,
    PortSet,
    parse_lat_line,
    parse_port,
)


def test_port_list_has_numbers_ranges_and_zero() -> None:
    """A list as the shipped `[icq]` section has it holds its ends and port 0."""
    ports = PortSet.parse(" 0, 1025-5000 ,25")

    assert [port for port in (0, 24, 25, 1024, 1025, 5000, 5001) if port in ports] == [
        0,
        25,
        1025,
        5000,
    ]
    assert str(ports) == "0,1025-5000,25"


def test_empty_port_list_holds_nothing() -> None:
    """A key without a value is a list without ports, and is false."""
    assert not PortSet.parse("  ")


@pytest.mark.parametrize(
    "text", ["25,", "smtp", "65536", "-1", "9-1", "1-2-3", "٢٥", "9" * 5000, "25;110"]
)
def test_malformed_port_list_is_refused(text: str) -> None:
    """What is no port list raises `ValueError` with a sentence."""
    with pytest.raises(ValueError, match=r"port|range"):
        PortSet.parse(text)


def test_overlap_is_what_both_lists_hold() -> None:
    """Two lists' overlap is given as ranges."""
    assert PortSet.parse("20-30,110").overlap(PortSet.parse("25,28-200")) == (
        (25, 25),
        (28, 30),
        (110, 110),
    )


def test_port_may_have_blanks_around_it() -> None:
    """Blanks around a number do not matter."""
    assert parse_port(" 1745 ") == 1745


def test_lat_holds_both_ends_of_a_range() -> None:
    """The first and the last address of a line are in the table, their neighbours are not."""
    table = LocalAddressTable((parse_lat_line("10.0.0.0\t10.0.0.255  "),), known=True)

    assert IPv4Address("10.0.0.0") in table
    assert IPv4Address("10.0.0.255") in table
    assert IPv4Address("10.0.1.0") not in table


def test_loopback_is_always_local() -> None:
    """Even an empty table holds this machine itself."""
    assert IPv4Address("127.0.0.9") in LocalAddressTable()


def test_two_tables_are_united() -> None:
    """MSPLAT.TXT and LOCALLAT.TXT together hold what either holds."""
    both = LocalAddressTable((parse_lat_line("10.0.0.1 10.0.0.1"),), known=True).united(
        LocalAddressTable((parse_lat_line("192.168.0.1 192.168.0.9"),), known=True)
    )

    assert IPv4Address("10.0.0.1") in both
    assert IPv4Address("192.168.0.5") in both
    assert both.known


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("10.0.0.1", "two IPv4 addresses"),
        ("10.0.0.1 10.0.0.2 10.0.0.3", "two IPv4 addresses"),
        ("10.0.0.0 255.255.255.0", "is a netmask"),
        ("10.0.0.9 10.0.0.1", "is higher than"),
        ("::1 ::1", "not an IPv4 address"),
    ],
)
def test_malformed_lat_line_is_refused(line: str, problem: str) -> None:
    """A line that is no range says what is wrong with it."""
    with pytest.raises(ValueError, match=problem):
        parse_lat_line(line)
