"""Other people's readers open our .evtx files: libevtx, python-evtx, dissect, the package evtx."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pyevtx  # type: ignore[import-not-found]
import pytest
from dissect.eventlog.evtx import Evtx as Dissect  # type: ignore[import-untyped]
from Evtx.Evtx import Evtx as PythonEvtx  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bindpost.server.eventlog.evtx import EvtxReader, export
from bindpost.server.eventlog.evtx.classic import ROOM
from bindpost.server.eventlog.fitting import fit_content, xml_storable
from bindpost.server.eventlog.saved import SavedEvent
from bindpost.server.eventlog.xml_form import NAMESPACE
from bindpost.testing.saved import BIND_FAILED, ONE_OF_EACH

Program = Callable[[str], Path]
Facts = tuple[int, str, int, tuple[str, ...]]
"""Of an event: its number, source, identifier of 32 bits, and insertion strings."""
E = {"e": NAMESPACE}
TEXTS = st.one_of(
    st.text(st.characters(codec=None), max_size=40),  # lone surrogates and NUL too
    st.text("一丁日本語한글ĀȀ", max_size=20),
    st.sampled_from(["%1", "%%1234", "fe80::1%4", "<a>&amp;]]></a>", '"', "\r\n\t", " x ", "😀🈁"]),
    st.integers(0, 40_000).map(lambda length: "x" * length),
    st.integers(15_000, 17_000).map(lambda length: "語" * length),  # about 32 KiB
)
CONTENTS = st.lists(st.lists(TEXTS, max_size=5).map(tuple), min_size=1, max_size=8)


def many(count: int) -> list[SavedEvent]:
    """Give events that differ in number, time, source and strings."""
    return [
        replace(
            BIND_FAILED,
            number=number,
            time=BIND_FAILED.time + timedelta(seconds=number),
            source=("MSExchangeIMC", "bindpost")[number % 3 == 0],
            strings=(str(number), *["x" * (number % 50)] * (number % 3)),
            data=number.to_bytes(4, "little"),
        )
        for number in range(1, count + 1)
    ]


def facts(event: SavedEvent) -> Facts:
    """Give what is compared."""
    return event.number, event.source, event.qualifiers << 16 | event.id, event.strings


def facts_in_xml(text: str) -> Facts:
    """Give the same of event XML."""
    root = ElementTree.fromstring(text)
    system = root.find("e:System", E)
    assert system is not None
    provider, identifier = system.find("e:Provider", E), system.find("e:EventID", E)
    assert provider is not None
    assert identifier is not None
    qualifiers = int(identifier.get("Qualifiers", "0"))
    return (
        int(system.findtext("e:EventRecordID", "", E)),
        provider.get("Name", ""),
        qualifiers << 16 | int(identifier.text or 0),
        tuple(data.text or "" for data in root.findall("e:EventData/e:Data", E)),
    )


@dataclass(frozen=True)
class Reader:
    """A reader: how it is used, which strings it can't read, and what it makes of others."""

    read: Callable[[Path], list[Facts]]
    reads: Callable[[str], bool] = lambda string: True
    shows: Callable[[tuple[str, ...]], tuple[str, ...]] = lambda strings: strings


def by_evtx(path: Path) -> list[Facts]:
    """Read with the package evtx, through our reader."""
    with EvtxReader(path) as reader:
        return [facts(event) for event in reader]


def by_libevtx(path: Path) -> list[Facts]:
    """Read with libevtx."""
    file = pyevtx.file()
    file.open(str(path))
    assert not file.is_corrupted()
    assert file.number_of_recovered_records == 0
    texts = [record.xml_string for record in file.records]
    file.close()
    return [facts_in_xml(text) for text in texts]


def by_python_evtx(path: Path) -> list[Facts]:
    """Read with python-evtx, which also checks each checksum and each record's two sizes."""
    read = []
    with PythonEvtx(str(path)) as log:
        assert log.get_file_header().verify()
        for chunk in log.chunks():
            assert chunk.verify()
            for record in chunk.records():
                assert record.verify()
                number, source, identifier, texts = facts_in_xml(record.xml())
                # It puts a line `<string>...</string>` for each string into one <Data>, as text.
                strings = re.findall(r"<string>(.*?)</string>\n", "".join(texts), re.DOTALL)
                read.append((number, source, identifier, tuple(strings)))
    return read


def by_dissect(path: Path) -> list[Facts]:
    """Read with dissect."""
    with path.open("rb") as file:
        return [
            (
                int(str(record["EventRecordID"])),
                str(record["Provider_Name"]),
                int(str(record["EventID_Qualifiers"])) << 16 | int(str(record["EventID"])),
                tuple(record["Data"] or ()),
            )
            for record in Dissect(file)
        ]


def python_evtx_reads(string: str) -> bool:
    """
    Tell whether python-evtx 0.8.1 can take this string of an array apart.

    It looks for pairs of bytes of which the first isn't 0 and the second is no line feed, takes
    U+FEFF and U+FFFE in front for byte order marks, and leaves out C1 controls. Its own mark for a
    string, and the carriage returns that it doesn't escape, are left out here too.
    """
    (string,) = stored(string)
    units = string.encode("utf-16-le")
    return (
        bool(string)
        and 0 not in units[::2]
        and 0x0A not in units[1::2]
        and not re.search("^[\ufeff\ufffe]|[\r\x7f-\x9f]|</string>", string)
    )


def libevtx_shows(strings: tuple[str, ...]) -> tuple[str, ...]:
    """
    Give strings as they are in the XML of libevtx 20260705, when it has been parsed.

    It takes U+FEFF in front for a byte order mark, leaves out a string that is one line feed, and
    doesn't escape a carriage return, so that a parser makes a line feed of it.
    """
    return tuple(
        "" if s == "\n" else s.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        for s in strings
    )


READERS = {
    # A single empty string looks to it like none.
    "evtx": Reader(by_evtx, shows=lambda strings: () if strings == ("",) else strings),
    "libevtx": Reader(by_libevtx, shows=libevtx_shows),
    "python-evtx": Reader(by_python_evtx, reads=python_evtx_reads),
    "dissect": Reader(by_dissect),
}


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> Reader:
    """Give each reader in turn."""
    return READERS[request.param]


def test_events_in_several_chunks(reader: Reader, tmp_path: Path) -> None:
    """Each reader finds every event with its strings, in order."""
    path = tmp_path / "saved.evtx"
    events = many(500)  # three chunks; python-evtx takes 4 ms for each event
    export(events, path)

    assert reader.read(path) == [facts(event) for event in events]


@pytest.mark.parametrize("name", ["evtx", "libevtx"])  # the others take a minute and more
def test_ten_thousand_events(name: str, tmp_path: Path) -> None:
    """A large file is read to its end."""
    path = tmp_path / "saved.evtx"
    events = many(10_000)
    export(events, path)

    assert READERS[name].read(path) == [facts(event) for event in events]


def test_each_checksum_of_ten_thousand_events(tmp_path: Path) -> None:
    """python-evtx finds the header, each chunk and each record of a large file in order."""
    path = tmp_path / "saved.evtx"
    export(many(10_000), path)

    with PythonEvtx(str(path)) as log:
        assert log.get_file_header().verify()
        assert all(chunk.verify() for chunk in log.chunks())
        assert all(record.verify() for record in log.records())
        numbers = [record.record_num() for record in log.records()]

    assert numbers == list(range(1, 10_001))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(contents=CONTENTS)
def test_any_strings(reader: Reader, tmp_path: Path, contents: list[tuple[str, ...]]) -> None:
    """Strings of every kind are read as they were written, but for what the format can't hold."""
    path = tmp_path / "saved.evtx"
    events = [
        replace(BIND_FAILED, number=number, strings=tuple(filter(reader.reads, strings)))
        for number, strings in enumerate(contents, start=1)
    ]
    export(events, path)

    assert reader.read(path) == [
        (number, source, identifier, reader.shows(stored(*strings)))
        for number, source, identifier, strings in map(facts, events)
    ]


def stored(*strings: str) -> tuple[str, ...]:
    """Give strings as they are stored beside the data of BIND_FAILED."""
    fitted, _ = fit_content(map(xml_storable, strings), BIND_FAILED.data, room=ROOM)
    return fitted


def test_evtxexport_prints_valid_xml(
    program: Program, check_event: Callable[[str], None], tmp_path: Path
) -> None:
    """What libevtx makes of each kind of event is event XML by the schema, with all that was in."""
    path = tmp_path / "saved.evtx"
    export(ONE_OF_EACH, path)

    out = subprocess.run(
        [program("evtxexport"), "-f", "xml", path], check=True, capture_output=True, text=True
    ).stdout
    printed = re.findall("<Event .*?</Event>", out, re.DOTALL)

    for text in printed:
        check_event(text)
    assert [facts_in_xml(text) for text in printed] == [facts(event) for event in ONE_OF_EACH]
    assert [users_and_data(text) for text in printed] == [
        (event.sid, event.data.hex()) for event in ONE_OF_EACH
    ]


def users_and_data(text: str) -> tuple[str, str]:
    """Give the user and the data of event XML."""
    root = ElementTree.fromstring(text)
    security = root.find("e:System/e:Security", E)
    assert security is not None
    return security.get("UserID", ""), root.findtext("e:EventData/e:Binary", "", E).lower()


def test_evtxinfo_finds_no_damage(program: Program, tmp_path: Path) -> None:
    """libevtx counts the records, of an empty log too, and calls neither file corrupted."""
    for count in (0, 1000):
        path = tmp_path / f"{count}.evtx"
        export(many(count), path)

        out = subprocess.run(
            [program("evtxinfo"), path], check=True, capture_output=True, text=True
        ).stdout

        assert re.search(rf"Number of records\s*: {count}\n", out)
        assert re.search(r"Number of recovered records\s*: 0\n", out)
        assert "corrupted" not in out
