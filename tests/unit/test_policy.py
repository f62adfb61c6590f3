"""The policy: rows and masks, who may connect (KB Q155920), who may relay (KB Q193922)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from bindpost.config.model import Ims
from bindpost.errors import ConfigError
from bindpost.server.smtp.policy import Net, Policy, address_of, parse_rows

CLIENT = "192.0.2.7"
LOCAL = "198.51.100.25"


@pytest.mark.parametrize(
    ("row", "host", "answer"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("192.0.2.0;255.255.255.0", "192.0.2.255", True),
        ("192.0.2.0;255.255.255.0", "192.0.3.0", False),
        (" 192.0.2.0 ; 255.255.255.0 ", "192.0.2.1", True),
        ("0.0.0.0;0.0.0.0", "203.0.113.9", True),
        # (address AND mask) = net: a net with bits outside of its mask matches nothing
        ("192.0.2.7;255.255.255.0", "192.0.2.7", False),
        # masks need not be contiguous
        ("10.0.0.1;255.0.0.255", "10.77.88.1", True),
        ("10.0.0.1;255.0.0.255", "10.77.88.2", False),
        ("2001:db8::;ffff:ffff::", "2001:db8:1::1", True),
        ("2001:db8::;ffff:ffff::", "2001:db9::1", False),
        ("::1", "::1", True),
        # the families do not mix, except that a mapped IPv4 address is an IPv4 address
        ("0.0.0.0;0.0.0.0", "::1", False),
        ("::;::", "192.0.2.7", False),
        ("192.0.2.7", "::ffff:192.0.2.7", True),
        ("fe80::1", "fe80::1%eth0", True),
    ],
)
def test_a_row_matches_by_its_mask(row: str, host: str, answer: bool) -> None:
    """A row matches when the address, ANDed with the mask, is the net (KB Q193922)."""
    address = address_of(host)

    assert address is not None
    assert Net.parse(row).matches(address) is answer


@pytest.mark.parametrize(
    "row",
    [
        "",
        ";255.0.0.0",
        "10.0.0.256",
        "10.0.0.0/8",
        "10.0.0",
        "host.example",
        "10.0.0.0;8",
        "10.0.0.0;255.0.0.0;1",
        "10.0.0.0;ffff::",
        "2001:db8::;255.255.255.0",
    ],
)
def test_a_bad_row_is_a_configuration_error(row: str) -> None:
    """A row that is no NET or NET;MASK of one family is refused, by its setting and its text."""
    with pytest.raises(ConfigError) as caught:
        parse_rows("ims.RejectHosts", ["10.0.0.1", row])

    assert caught.value.key == "ims.RejectHosts"
    assert repr(row) in str(caught.value)


@pytest.mark.parametrize(
    "setting",
    [
        Ims(accept_hosts=("x",)),
        Ims(reject_hosts=("x",)),
        Ims(relay_deny_list=("x",)),
        Ims(relay_allow_list=("x",)),
        Ims(relay_local_ip_list=("x",)),
    ],
)
def test_every_list_is_checked(setting: Ims) -> None:
    """Each of the five lists is read when the policy is made, not when a client comes."""
    with pytest.raises(ConfigError):
        Policy.from_settings(setting)


@pytest.mark.parametrize(
    ("accept", "reject", "answer"),
    [
        ([], [], True),
        (["203.0.113.1"], [], True),
        ([], ["192.0.2.7"], False),
        ([], ["192.0.2.8"], True),
        ([], ["192.0.2.0;255.255.255.0"], False),
        (["192.0.2.7"], ["192.0.2.0;255.255.255.0"], True),
        (["192.0.2.0;255.255.255.0"], ["192.0.2.7"], False),
        (["192.0.2.0;255.255.255.0"], ["192.0.2.0;255.255.255.0"], True),
        (["192.0.2.8"], ["192.0.2.0;255.255.255.0"], False),
        # the most specific row of each list counts, wherever it stands in it
        (["192.0.0.0;255.255.0.0", "192.0.2.7"], ["192.0.2.0;255.255.255.0"], True),
        (
            ["192.0.2.0;255.255.255.0"],
            ["0.0.0.0;0.0.0.0", "192.0.2.7", "192.0.0.0;255.255.0.0"],
            False,
        ),
    ],
)
def test_the_more_specific_row_decides_who_connects(
    accept: list[str], reject: list[str], answer: bool
) -> None:
    """The more specific row wins, accept on a tie; without a matching reject all may connect."""
    policy = Policy.from_settings(Ims(accept_hosts=tuple(accept), reject_hosts=tuple(reject)))

    assert policy.admits(address_of(CLIENT)) is answer


def test_a_peer_without_an_address_is_admitted() -> None:
    """A Unix socket's client is not rejected, whatever the lists say."""
    policy = Policy.from_settings(Ims(reject_hosts=("0.0.0.0;0.0.0.0", "::;::")))

    assert policy.admits(address_of(None))


@pytest.mark.parametrize("host", [None, "", "localhost", "1.2.3", "/run/socket", "1.2.3.4:25"])
def test_what_is_no_address_gives_none(host: str | None) -> None:
    """Names, paths and the unknown have no address."""
    assert address_of(host) is None


RELAYING = """
    0   *  *  *  *   yes
    1   y  *  *  *   no
    1   n  *  *  *   yes
    2   *  y  *  *   yes
    2   *  n  *  *   no
    3   y  *  *  *   no
    3   n  y  *  *   yes
    3   n  n  *  *   no
    4   *  *  y  *   yes
    4   *  *  n  *   no
    5   y  *  *  *   no
    5   n  *  y  *   yes
    5   n  *  n  *   no
    6   *  y  *  *   yes
    6   *  n  y  *   yes
    6   *  n  n  *   no
    7   y  *  *  *   no
    7   n  y  *  *   yes
    7   n  n  y  *   yes
    7   n  n  n  *   no
    8   *  *  *  y   yes
    8   *  *  *  n   no
    9   y  *  *  *   no
    9   n  *  *  y   yes
    9   n  *  *  n   no
    10  *  y  *  *   yes
    10  *  n  *  y   yes
    10  *  n  *  n   no
    11  y  *  *  *   no
    11  n  y  *  *   yes
    11  n  n  *  y   yes
    11  n  n  *  n   no
    12  *  *  y  *   yes
    12  *  *  n  y   yes
    12  *  *  n  n   no
    13  y  *  *  *   no
    13  n  *  y  *   yes
    13  n  *  n  y   yes
    13  n  *  n  n   no
    14  *  y  *  *   yes
    14  *  n  y  *   yes
    14  *  n  n  y   yes
    14  *  n  n  n   no
    15  y  *  *  *   no
    15  n  y  *  *   yes
    15  n  n  y  *   yes
    15  n  n  n  y   yes
    15  n  n  n  n   no
"""
"""
The decision of KB Q193922, written out: RelayFlags; is the client in the deny list, is it in the
allow list, is the address that it dialled in the local-IP list, has it logged in (* = no matter);
may it relay.
"""


def _expand() -> Iterator[tuple[int, bool, bool, bool, bool, bool]]:
    for row in RELAYING.strip().splitlines():
        flags, *facts, answer = row.split()
        choices = [{"y": (True,), "n": (False,), "*": (True, False)}[fact] for fact in facts]
        for deny, allow, local, login in itertools.product(*choices):
            yield int(flags), deny, allow, local, login, answer == "yes"


RELAY_CASES = list(_expand())


def test_the_relay_table_is_whole() -> None:
    """The table decides each of the 256 combinations once."""
    cases = [case[:-1] for case in RELAY_CASES]

    assert len(cases) == len(set(cases)) == 256


@pytest.mark.parametrize(("flags", "deny", "allow", "local", "login", "answer"), RELAY_CASES)
def test_relaying_follows_the_order_of_the_article(
    flags: int, deny: bool, allow: bool, local: bool, login: bool, answer: bool
) -> None:
    """Deny list, allow list, local-IP list, login, in this order (KB Q193922)."""
    policy = Policy.from_settings(
        Ims(
            relay_flags=flags,
            relay_deny_list=(CLIENT,) if deny else ("203.0.113.1",),
            relay_allow_list=(CLIENT,) if allow else ("203.0.113.1",),
            relay_local_ip_list=(LOCAL,) if local else ("203.0.113.1",),
        )
    )

    relays = policy.may_relay(
        "x@elsewhere.test", peer=address_of(CLIENT), local=address_of(LOCAL), authenticated=login
    )

    assert relays is answer


@pytest.mark.parametrize("flags", range(16))
@pytest.mark.parametrize(
    ("recipient", "answer"),
    {
        "a@local.test": True,
        "a@LOCAL.Test": True,
        "a@partner.test": True,
        "postmaster": True,
        "a@sub.local.test": False,
        "a@notlocal.test": False,
        "a@local.test@elsewhere.test": False,
        '"a@local.test"@elsewhere.test': False,
    }.items(),
)
def test_local_and_override_domains_are_free(flags: int, recipient: str, answer: bool) -> None:
    """Local domains, override domains (KB Q195969) and bare names are taken from everybody."""
    policy = Policy.from_settings(
        Ims(
            relay_flags=flags,
            relay_deny_list=(CLIENT,),
            local_domains=("Local.Test",),
            relay_override_domains=("@partner.test",),
        )
    )

    relays = policy.may_relay(recipient, peer=address_of(CLIENT), local=None, authenticated=False)

    # Who is in no list in force may not relay; only the flags 0 free everybody.
    assert relays is (answer or flags == 0)


@pytest.mark.parametrize(("flags", "answer"), [(1, True), (2, False), (4, False), (7, False)])
def test_a_peer_without_an_address_is_in_no_list(flags: int, answer: bool) -> None:
    """A Unix socket's client is neither denied nor allowed by a list."""
    everybody = ("0.0.0.0;0.0.0.0", "::;::")
    policy = Policy.from_settings(
        Ims(
            relay_flags=flags,
            relay_deny_list=everybody,
            relay_allow_list=everybody,
            relay_local_ip_list=everybody,
        )
    )

    assert policy.may_relay("a@b", peer=None, local=None, authenticated=False) is answer
