"""The Proxy Client's files: what is written is read again, and what is wrong is said."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.proxy.winsock.client_config import Application, load_client_config, parse_wspcfg
from bindpost.proxy.winsock.ini import parse_ini
from bindpost.proxy.winsock.ranges import PortSet

from ..fuzz.target import corpus
from ..fuzz.targets.ini import problems_of

CORPUS = corpus("ini")
RANGES = st.lists(
    st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(
        lambda pair: (min(pair), max(pair))
    ),
    max_size=8,
)


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
