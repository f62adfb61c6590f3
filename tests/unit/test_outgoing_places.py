"""Which addresses are public: every private form is refused, however it is written."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from bindpost.server.outgoing.places import is_public, may_be_asked, read_networks

PRIVATE = {
    "loopback": ["127.0.0.1", "127.9.9.9", "::1"],
    "this machine": ["0.0.0.0", "0.1.2.3", "::"],
    "RFC 1918": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1"],
    "link-local": ["169.254.0.1", "fe80::1", "febf::1"],
    "metadata": ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"],
    "GHSA-j3fj-qppj-fmmc CGNAT": ["100.64.0.1", "100.127.255.255"],
    "unique local": ["fc00::1", "fdff::1"],
    "multicast": ["224.0.0.1", "239.1.1.1", "ff02::1", "ff0e::1"],
    "broadcast and reserved": ["255.255.255.255", "240.0.0.1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"],
    "IPv4-compatible": ["::127.0.0.1", "::8.8.8.8"],
    "GHSA-w4mc-hhc6-xp28 NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1"],
    "GHSA-w4mc-hhc6-xp28 local NAT64": ["64:ff9b:1::7f00:1", "64:ff9b:1::808:808"],
    "GHSA-w4mc-hhc6-xp28 6to4": ["2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1"],
    "GHSA-w4mc-hhc6-xp28 Teredo": ["2001:0:4136:e378:8000:63bf:80ff:fffe", "2001::1"],
    "GHSA-w4mc-hhc6-xp28 ISATAP": ["2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1"],
    "site-local": ["fec0::1"],
}


@pytest.mark.parametrize(
    "address",
    [pytest.param(each, id=f"{name} {each}") for name in PRIVATE for each in PRIVATE[name]],
)
def test_what_is_private_is_not_public(address: str) -> None:
    """Nothing of it may be asked because a mail says so."""
    assert not is_public(ip_address(address))
    assert not may_be_asked(address, ())


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_what_is_public_is(address: str) -> None:
    """An address that carries a public one is public: NAT64 is how some networks reach IPv4."""
    assert may_be_asked(address, ())


def test_networks_allow_what_they_name() -> None:
    """And no more than that; a mapped address is judged as the one that it carries."""
    networks = read_networks(["10.0.0.0/8", "::1"])

    assert may_be_asked("10.1.2.3", networks)
    assert may_be_asked("::ffff:10.1.2.3", networks)
    assert may_be_asked("::1", networks)
    assert not may_be_asked("64:ff9b::a01:203", networks)
    assert not may_be_asked("127.0.0.1", networks)
    with pytest.raises(ValueError, match=r'^"nonsense" is no address and no network$'):
        read_networks(["nonsense"])
