"""The Proxy Client's files with any content."""

from hypothesis import given
from hypothesis import strategies as st

from bindpost.errors import ConfigError
from bindpost.proxy.winsock.client_config import parse_lat, parse_mspclnt, parse_wspcfg
from bindpost.proxy.winsock.ini import decode_ansi
from bindpost.proxy.winsock.ranges import PortSet

LINES = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            [
                "[msexcimc]",
                "[Common]",
                "[Servers Ip Addresses]",
                "[Common Configuration]",
                "Disable=1",
                "Port=1745",
                "Addr1=10.0.0.1",
                "Name=PROXY",
            ]
        ),
        st.builds("{}={}".format, st.sampled_from(["ServerBindTcpPorts", "Addr1"]), st.text()),
    ),
    max_size=12,
)
RANGES = st.lists(
    st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(
        lambda pair: (min(pair), max(pair))
    ),
    max_size=8,
)


@given(st.one_of(st.binary(max_size=400), LINES.map(lambda lines: "\n".join(lines).encode())))
def test_any_file_raises_nothing_but_config_error(data: bytes) -> None:
    """Whatever a file holds, it is read or refused with a sentence."""
    problems = []
    for parse in (parse_mspclnt, parse_wspcfg, parse_lat):
        try:
            parse(decode_ansi(data, "FILE", "key"), "FILE")
        except ConfigError as error:
            problems.append(str(error))

    assert all("FILE" in problem for problem in problems)


@given(RANGES, st.integers(0, 65535))
def test_port_list_means_what_it_says(ranges: list[tuple[int, int]], port: int) -> None:
    """A list that is written and read again holds exactly the ports of its ranges."""
    ports = PortSet.parse(str(PortSet(tuple(ranges))))

    assert ports == PortSet(tuple(ranges))
    assert (port in ports) == any(low <= port <= high for low, high in ranges)
