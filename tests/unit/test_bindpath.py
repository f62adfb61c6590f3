"""The decision which path a bind takes, generic and by the Winsock Proxy's rules."""

from ipaddress import IPv4Address

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.bindpath import BindPath, Direction, Rule, decide
from bindpost.proxy.winsock.client_config import (
    Application,
    ClientConfig,
    parse_lat,
    parse_mspclnt,
    parse_wspcfg,
)
from bindpost.proxy.winsock.policy import bind_rules
from bindpost.proxy.winsock.ranges import PortSet

ANY_25 = Endpoint("0.0.0.0", 25)
SERVER = "[Servers Ip Addresses]\nAddr1=10.0.0.1\n"


def config(*, wspcfg: str = "", mspclnt: str = "", lat: str | None = None) -> ClientConfig:
    """Build a configuration from the texts of its files."""
    general = parse_mspclnt(mspclnt, "mspclnt.ini")
    sections, _ = parse_wspcfg(wspcfg, "wspcfg.ini")
    return ClientConfig(
        servers=general.servers,
        ipx_servers=general.ipx_servers,
        common_disable=general.common_disable,
        mspclnt=general.mspclnt,
        wspcfg=sections,
        lat=ClientConfig().lat if lat is None else parse_lat(lat, "msplat.txt"),
    )


def test_first_rule_that_fits_decides() -> None:
    """The decision carries the words and the source of the first rule that fits."""
    rules = (
        Rule(direction=Direction.REMOTE, words="one", source="a", ports={110}),
        Rule(direction=Direction.REMOTE, words="two", source="b", ports={25}),
        Rule(direction=Direction.LOCAL, words="three", source="c"),
    )

    assert decide(ANY_25, rules) == BindPath(
        endpoint=ANY_25, direction=Direction.REMOTE, rule="two", source="b"
    )


def test_no_rule_means_local() -> None:
    """Without a rule that fits the bind is made on this machine."""
    assert decide(ANY_25, ()).direction == Direction.LOCAL


def test_decision_reads_as_a_sentence() -> None:
    """A decision prints endpoint, path, rule and source."""
    rule = Rule(
        direction=Direction.LOCAL, words="the Proxy Client is disabled", source="KB Q203116"
    )

    assert str(decide(ANY_25, [rule])) == (
        "0.0.0.0:25: local, because the Proxy Client is disabled (KB Q203116)"
    )


@pytest.mark.parametrize(
    ("host", "fits"),
    [("10.0.0.1", False), ("10.0.0.2", True), ("0.0.0.0", False), ("::", False), ("name", False)],
)
def test_outside_means_a_specific_address_that_the_table_lacks(host: str, fits: bool) -> None:
    """Wildcards, names and IPv6 are never outside an IPv4 table."""
    rule = Rule(direction=Direction.REMOTE, words="", source="", outside={IPv4Address("10.0.0.1")})

    assert rule.fits(Endpoint(host, 25)) is fits


SERVER_BIND = "[MSEXCIMC]\nServerBindTcpPorts=25\n"


@pytest.mark.parametrize(
    ("settings", "direction", "rule", "source"),
    [
        pytest.param(
            config(wspcfg=SERVER_BIND, mspclnt=SERVER),
            Direction.REMOTE,
            "[MSEXCIMC] ServerBindTcpPorts=25 (wspcfg.ini, line 1)",
            "KB Q181420, Q222553",
            id="server",
        ),
        pytest.param(
            config(wspcfg="[msexcimc]\nRemoteBindTcpPorts=25\n", mspclnt=SERVER),
            Direction.REMOTE,
            "[msexcimc] RemoteBindTcpPorts=25 (wspcfg.ini, line 1)",
            "Proxy Server 2.0 documentation",
            id="remote",
        ),
        pytest.param(
            config(wspcfg="[Wsp client]\nMultipleAccessTcpPorts=25\n", mspclnt=SERVER),
            Direction.REMOTE,
            "[Wsp client] MultipleAccessTcpPorts=25 (wspcfg.ini, line 1)",
            "Proxy Server 1.0, appendix D",
            id="multiple",
        ),
        pytest.param(
            config(
                wspcfg="[msexcimc]\nServerBindTcpPorts=25\nLocalBindTcpPorts=25\n", mspclnt=SERVER
            ),
            Direction.LOCAL,
            "[msexcimc] LocalBindTcpPorts=25 (wspcfg.ini, line 1)",
            "Proxy Server 2.0 documentation",
            id="local-before-server",
        ),
        pytest.param(
            config(wspcfg=SERVER_BIND, mspclnt=f"{SERVER}[Common Configuration]\nDisable=1\n"),
            Direction.LOCAL,
            "[Common Configuration] Disable=1 (mspclnt.ini, line 3)",
            "Proxy Server 2.0 documentation",
            id="common-disable",
        ),
        pytest.param(
            config(mspclnt=f"{SERVER}[msexcimc]\nDisable=1\nServerBindTcpPorts=25\n"),
            Direction.LOCAL,
            "[msexcimc] Disable=1 (mspclnt.ini, line 3)",
            "KB Q254909, Q231878",
            id="disable",
        ),
        pytest.param(
            config(wspcfg="[MSEXCIMC]\nServerBindTcpPorts=26\n", mspclnt=SERVER),
            Direction.OPEN,
            "the Proxy Client is enabled and its files do not decide this bind; it asks its "
            "server first",
            "KB Q193928, Q203116",
            id="other-port",
        ),
        pytest.param(
            config(mspclnt=SERVER),
            Direction.OPEN,
            "the Proxy Client is enabled and its files do not decide this bind; it asks its "
            "server first",
            "KB Q193928, Q203116",
            id="no-wspcfg",
        ),
        pytest.param(
            config(),
            Direction.LOCAL,
            "the files neither decide this bind nor name a server",
            "Proxy Server 1.0, appendix D",
            id="nothing",
        ),
        pytest.param(
            config(mspclnt="[Servers Ipx Addresses]\nAddr1=00002610-0080d830525f\n"),
            Direction.REFUSED,
            "the proxy is reached over IPX only",
            "Proxy Server 1.0, appendix D",
            id="ipx",
        ),
        pytest.param(
            config(wspcfg="[msexcimc]\nServerBindTcpPorts=25\n"),
            Direction.REFUSED,
            "[msexcimc] ServerBindTcpPorts=25 (wspcfg.ini, line 1)",
            "KB Q181420, Q222553",
            id="remote without a server",
        ),
        pytest.param(
            config(
                wspcfg="[msexcimc]\nServerBindTcpPorts=25\nForceProxy=i:10.0.0.1\n",
                mspclnt="[Servers Ipx Addresses]\nAddr1=00002610-0080d830525f\n",
            ),
            Direction.REMOTE,
            "[msexcimc] ServerBindTcpPorts=25 (wspcfg.ini, line 1)",
            "KB Q181420, Q222553",
            id="ipx for others",
        ),
    ],
)
def test_configuration_decides_port_25(
    settings: ClientConfig, direction: Direction, rule: str, source: str
) -> None:
    """Each configuration sends ANY:25 where the documentation says, with the rule in words."""
    assert decide(ANY_25, bind_rules(settings, "msexcimc")) == BindPath(
        endpoint=ANY_25, direction=direction, rule=rule, source=source
    )


def test_disabled_client_beats_everything() -> None:
    """With the client's box cleared every bind is local (KB Q203116's cure)."""
    rules = bind_rules(config(wspcfg=SERVER_BIND, mspclnt=SERVER), "msexcimc", enabled=False)

    assert decide(ANY_25, rules).rule == "the Proxy Client is disabled"


@pytest.mark.parametrize("endpoint", ["[::]:25", "[::1]:25", "unix:/run/smtp"])
def test_what_is_not_ipv4_is_local(endpoint: str) -> None:
    """The Winsock Proxy knew TCP/IP version 4 only, even where its files name the port."""
    rules = bind_rules(config(wspcfg=SERVER_BIND, mspclnt=SERVER), "msexcimc")

    assert decide(Endpoint.parse(endpoint), rules).direction == Direction.LOCAL


@pytest.mark.parametrize(
    ("host", "direction"),
    [
        ("203.0.113.5", Direction.REMOTE),
        ("10.1.2.3", Direction.OPEN),
        ("127.0.0.1", Direction.OPEN),
        ("0.0.0.0", Direction.OPEN),
    ],
)
def test_address_outside_the_lat_is_bound_on_the_proxy(host: str, direction: Direction) -> None:
    """A specific address that the LAT lacks is remote; local addresses and ANY are not."""
    rules = bind_rules(config(mspclnt=SERVER, lat="10.0.0.0 10.255.255.255\n"), "msexcimc")

    assert decide(Endpoint(host, 25), rules).direction == direction


def test_without_a_lat_no_address_is_outside() -> None:
    """When no LAT file was given its rule is not applied."""
    rules = bind_rules(config(mspclnt=SERVER), "msexcimc")

    assert decide(Endpoint("203.0.113.5", 25), rules).direction == Direction.OPEN


def test_port_zero_is_matched_by_zero() -> None:
    """A bind to any free port is remote where a list holds 0, and only there."""
    rules = bind_rules(
        config(wspcfg="[icq]\nServerBindTcpPorts=0,1025-5000\n", mspclnt=SERVER), "ICQ"
    )

    assert decide(Endpoint("0.0.0.0", 0), rules).direction == Direction.REMOTE
    assert decide(Endpoint("0.0.0.0", 1), rules).direction == Direction.OPEN


def test_long_port_list_is_cut_in_the_rule() -> None:
    """A rule's words stay short, however long the list is."""
    ports = PortSet(tuple((port, port) for port in range(1, 2000, 2)))
    section = Application(name="a", origin="w", server=ports)

    settings = ClientConfig(servers=("10.0.0.1",), wspcfg=(section,))
    decision = decide(Endpoint("0.0.0.0", 1), bind_rules(settings, "a"))

    assert decision.direction == Direction.REMOTE
    assert len(decision.rule) < 90
