"""The Proxy Client's files with any content: from a corpus, changed at random, and made up."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.errors import ConfigError
from bindpost.proxy.winsock.client_config import (
    Application,
    load_client_config,
    parse_lat,
    parse_mspclnt,
    parse_wspcfg,
)
from bindpost.proxy.winsock.ini import decode_ansi, parse_ini
from bindpost.proxy.winsock.ranges import PortSet

CORPUS = sorted((Path(__file__).parent / "corpus" / "winsock").iterdir())
READERS: tuple[Callable[[str, str], object], ...] = (parse_mspclnt, parse_wspcfg, parse_lat)

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


@st.composite
def changed_files(draw: st.DrawFn) -> bytes:
    """Give a file of the corpus with some of its bytes cut out and others put in."""
    data = draw(st.sampled_from(CORPUS)).read_bytes()
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        data = data[:start] + draw(st.binary(max_size=6)) + data[end:]
    return data


def problems_of(data: bytes) -> list[str]:
    """Give what every reader says of a file that it refuses; nothing else may be raised."""
    problems = []
    for parse in READERS:
        try:
            parse(decode_ansi(data, "FILE", "key"), "FILE")
        except ConfigError as error:
            problems.append(str(error))
    return problems


@given(
    st.one_of(
        st.binary(max_size=400), LINES.map(lambda lines: "\n".join(lines).encode()), changed_files()
    )
)
def test_any_file_raises_nothing_but_config_error(data: bytes) -> None:
    """Whatever a file holds, it is read or refused with a sentence that names it."""
    assert all("FILE" in problem for problem in problems_of(data))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_a_file_of_the_corpus_is_read_or_refused(path: Path) -> None:
    """Each odd file that was thought of or found is met with nothing but a sentence."""
    assert all("FILE" in problem for problem in problems_of(path.read_bytes()))


def test_the_corpus_is_there() -> None:
    """The files are found; none of them went missing in a checkout."""
    assert len(CORPUS) >= 20


@pytest.mark.parametrize("name", ["q181420.ini", "q231878.ini", "empty.ini"])
def test_real_files_of_the_corpus_are_read_by_their_path(name: str) -> None:
    """What articles show is read, with no more to say than that a port is in two lists."""
    (path,) = [path for path in CORPUS if path.name == name]

    config = load_client_config(mspclnt=path)

    assert all("is in RemoteBindTcpPorts and" in warning for warning in config.warnings)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("utf-16.ini", "UTF-16"),
        ("utf-16-without-mark.ini", "NUL bytes; it is UTF-16"),
        ("utf-8-mark.ini", "UTF-8 with a byte order mark"),
        ("long-number.ini", "line 2"),
        ("superscript-digits.ini", "is not a port"),
        ("double-range.ini", "'2-3' is not a port"),
        ("trailing-comma.ini", "'' is not PORT:ADDRESS"),
        ("force-proxy-empty.ini", "neither i:ADDRESS nor n:NAME"),
        ("quotes.ini", "neither 0 nor 1"),
        ("next-line.txt", "not an IPv4 address"),
        ("netmask.txt", "is a netmask"),
        ("backwards.txt", "is higher than"),
    ],
)
def test_what_is_wrong_in_the_corpus_is_said(name: str, problem: str) -> None:
    """The sentence tells what is wrong with a file."""
    (path,) = [path for path in CORPUS if path.name == name]

    assert any(problem in said for said in problems_of(path.read_bytes()))


@given(RANGES, st.integers(0, 65535))
def test_port_list_means_what_it_says(ranges: list[tuple[int, int]], port: int) -> None:
    """A list that is written and read again holds exactly the ports of its ranges."""
    ports = PortSet.parse(str(PortSet(tuple(ranges))))

    assert ports == PortSet(tuple(ranges))
    assert (port in ports) == any(low <= port <= high for low, high in ranges)
    assert (port in ports.all()) == (port in ports)


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,10}[A-Za-z0-9]", fullmatch=True)
VALUES = st.from_regex(r"(?:[A-Za-z0-9][A-Za-z0-9 ,.:=;-]{0,16}[A-Za-z0-9])?", fullmatch=True)
SECTIONS = st.lists(st.tuples(NAMES, st.lists(st.tuples(NAMES, VALUES), max_size=5)), max_size=5)
BLANKS = st.sampled_from(["", " ", "\t", "  "])


@given(SECTIONS, BLANKS, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_what_is_written_is_read_again(
    sections: list[tuple[str, list[tuple[str, str]]]], blank: str, end: str, comments: bool
) -> None:
    """Blanks, comments, blank lines and the kind of line end mean nothing, not even a warning."""
    between = f"{end}; comment = 1{end}{end}" if comments else end
    text = "".join(
        f"{blank}[{blank}{name}{blank}]{blank}{between}"
        + "".join(f"{blank}{key}{blank}={blank}{value}{blank}{between}" for key, value in entries)
        for name, entries in sections
    )

    ini = parse_ini(text, "FILE")

    assert ini.warnings == ()
    assert [
        (section.name, [(entry.key, entry.value) for entry in section.entries])
        for section in ini.sections
    ] == sections


CASES = st.lists(st.booleans(), min_size=80, max_size=80)


@given(RANGES.filter(bool), st.sampled_from("01"), CASES)
def test_letter_case_means_nothing(
    ranges: list[tuple[int, int]], disable: str, capitals: list[bool]
) -> None:
    """Sections and keys in any mixture of capitals and small letters are the same."""
    text = f"[msexcimc]\nserverbindtcpports={PortSet(tuple(ranges))}\ndisable={disable}\n"
    letters = iter(capitals)
    mixed = re.sub("[a-z]", lambda found: found[0].upper() if next(letters) else found[0], text)

    assert _meaning(mixed) == _meaning(text)


def _meaning(text: str) -> list[tuple[str, PortSet, bool]]:
    sections: tuple[Application, ...]
    sections, _ = parse_wspcfg(text, "FILE")
    return [(one.name.casefold(), one.server, one.disable) for one in sections]
