"""Places of the lab: addresses, ports, and what is laid over the machine's files."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bindpost.config.lab_hosts import ONE_MACHINE, Hosts, Machine, load_hosts
from bindpost.config.scenario_file import VARIABLES, load
from bindpost.errors import ConfigError
from bindpost.server.lab.places import Ports, check_addresses, overlay
from bindpost.server.lab.process import LabError

THREE = Hosts(
    exchange=Machine(address="10.25.0.10", prefix=("ip", "netns", "exec", "x")),
    proxy=Machine(address="10.25.0.1", external="203.0.113.1"),
    internet=Machine(address="203.0.113.9"),
)

GOOD = """
[exchange]
address = "10.25.0.10"
[proxy]
address = "10.25.0.1"
external = "203.0.113.1"
[internet]
address = "203.0.113.9"
"""


def test_machines_of_their_own_have_the_real_ports() -> None:
    """There a scenario gets the ports that it names, and the wildcard address."""
    place = Ports(THREE).place(load("q203116").scenario)
    values = place.values(folder=Path("/f"), phase=Path("/p"), run=Path("/r"))

    assert (values["port"], values["control"], values["any"]) == ("25", "1745", "0.0.0.0")
    assert set(values) == set(VARIABLES)
    assert place.target("internet") == ("203.0.113.9", "203.0.113.1", 25)
    assert place.target("proxy") == ("10.25.0.1", "10.25.0.10", 25)


def test_on_one_machine_each_scenario_has_ports_of_its_own() -> None:
    """No port is given twice, and each is free on the lab's addresses."""
    ports = Ports(ONE_MACHINE)
    scenario = load("q203116").scenario
    given = [ports.place(scenario) for _ in range(10)]

    numbers = [number for place in given for number in (place.port, place.control)]
    assert len(set(numbers)) == 20
    for number in numbers:
        with socket.socket() as sock:
            sock.bind((ONE_MACHINE.proxy.external, number))


def test_an_address_that_is_missing_is_named() -> None:
    """The message names the address and how to make it."""
    here = Machine(address="192.0.2.1", external="127.0.0.2")

    with pytest.raises(LabError, match=r"192\.0\.2\.1.*ifconfig lo0 alias"):
        check_addresses(Hosts(exchange=here, proxy=here, internet=here, isolated=False))


def test_nothing_is_laid_over_without_need() -> None:
    """Without such a file there is no prefix; with one, each is mounted, then the command runs."""
    assert overlay({}) == ()

    words = overlay({"/etc/hosts": Path("/f/etc/hosts")})
    assert words[0] == "unshare"
    assert words[-3:] == ("/f/etc/hosts", "/etc/hosts", "--")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("[internet]", "[nobody]", "internet"),
        ("[exchange]", "[exchange]\nadress = 'x'", "exchange.adress"),
        ('"10.25.0.10"', "5", "exchange.address"),
    ],
)
def test_a_bad_hosts_file(old: str, new: str, key: str, tmp_path: Path) -> None:
    """What is wrong in it is named by its key."""
    assert old in GOOD
    (tmp_path / "hosts.toml").write_text(GOOD.replace(old, new))

    with pytest.raises(ConfigError) as caught:
        load_hosts(tmp_path / "hosts.toml")

    assert caught.value.key == key
