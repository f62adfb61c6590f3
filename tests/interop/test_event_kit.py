"""Other people's readers use the kit: icoutils and libevt the DLL, hivex the registry file."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bindpost.events import CATALOGUE, Category, EventType
from bindpost.server.eventlog.evt import EvtRecord, export
from bindpost.server.eventlog.kit import write_kit
from bindpost.testing.evt import BIND_FAILED

Program = Callable[[str], Path]
NO_CELL = 0xFFFFFFFF
SYSTEM, SOFTWARE = r"HKEY_LOCAL_MACHINE\SYSTEM", r"HKEY_LOCAL_MACHINE\SOFTWARE"
DLL_PATH = r"C:\Lab tools\bindpost.dll"
WINDOWS_HAS = f"""
[{SYSTEM}\\Select]
"Current"=dword:00000001

[{SOFTWARE}\\Classes]

[{SOFTWARE}\\Microsoft\\Windows\\CurrentVersion\\WINEVT\\Publishers]

[{SOFTWARE}\\Microsoft\\Windows NT\\CurrentVersion]
"""
"""What evtexport expects of a registry beside the sources; two keys at least at each top."""


def run(*command: str | Path) -> str:
    """Give what a program prints; it must succeed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def empty_hive() -> bytes:
    """Give a registry hive that has only its root key and that key's security cell."""
    root_at, security_at = 0x20, 0x80
    key = struct.pack("<2sHQII", b"nk", 0x2C, 0, 0, NO_CELL)
    key += struct.pack("<IIII", 0, 0, NO_CELL, NO_CELL)
    key += struct.pack("<IIII", 0, NO_CELL, security_at, NO_CELL)
    key += bytes(20) + struct.pack("<HH", 4, 0) + b"ROOT"
    descriptor = b"\1\0\0\x80" + bytes(16)
    security = struct.pack("<2sHIIII", b"sk", 0, security_at, security_at, 1, len(descriptor))
    cells = [(security_at - root_at, key), (0x30, security + descriptor)]
    bin_ = struct.pack("<4sIIQQI", b"hbin", 0, 0x1000, 0, 0, 0)
    for size, cell in cells:
        bin_ += struct.pack("<i", -size) + cell.ljust(size - 4, b"\0")
    bin_ = (bin_ + struct.pack("<i", 0x1000 - len(bin_))).ljust(0x1000, b"\0")
    head = struct.pack("<4sIIQ7I", b"regf", 1, 1, 0, 1, 3, 0, 1, root_at, 0x1000, 1)
    head = head.ljust(508, b"\0")
    checksum = 0
    for (word,) in struct.iter_unpack("<I", head):
        checksum ^= word
    return (head + struct.pack("<I", checksum)).ljust(0x1000, b"\0") + bin_


def as_nt_reads_it(text: str) -> str:
    """
    Give a REGEDIT4 file as NT's regedit takes it, in the way that hivexregedit wants to have it.

    ANSI text becomes Unicode, CurrentControlSet is a link to ControlSet001, and parents are made.
    """
    wide = re.sub(
        r"(?<=hex\(2\):)\S+", lambda match: re.sub("(?<=[0-9a-f]{2})(?=,|$)", ",00", match[0]), text
    )
    out, made = ["REGEDIT4\n"], set()
    for block in re.split(r"(?m)^(?=\[)", wide.replace("CurrentControlSet", "ControlSet001"))[1:]:
        parts = block[1 : block.index("]")].split("\\")
        for length in range(3, len(parts)):
            parent = "\\".join(parts[:length])
            if parent not in made:
                made.add(parent)
                out.append(f"[{parent}]\n")
        made.add("\\".join(parts))
        out.append(f"{block.strip()}\n")
    return "\n".join(out)


@dataclass(frozen=True)
class Machine:
    """A Windows machine, as far as evtexport wants one: its registry and its drive C:."""

    registry: Path
    drive: Path

    def evtexport(self, program: Program, log: Path) -> list[dict[str, str]]:
        """Give the records of a log as evtexport shows them on this machine."""
        options: list[str | Path] = ["-t", "application", "-r", self.registry, "-p", self.drive]
        text = run(program("evtexport"), *options, log)
        return [
            dict(re.findall(r"^(.+?)\t+: (.*)$", block, re.MULTILINE))
            for block in text.split("Event number\t")[1:]
        ]


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the kit, written for a path of our choice."""
    folder = tmp_path_factory.mktemp("kit")
    write_kit(folder, DLL_PATH)
    return folder


@pytest.fixture(scope="module")
def machine(program: Program, kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Install the kit as its README says: the DLL in its place, the registry file merged."""
    registry = tmp_path_factory.mktemp("registry")
    settings = registry / "merged.reg"
    text = (kit / "bindpost.reg").read_text("ascii") + WINDOWS_HAS
    for hive in (SYSTEM, SOFTWARE):
        name = registry / hive.rpartition("\\")[2]
        name.write_bytes(empty_hive())
        blocks = re.findall(rf"(?ms)^\[{re.escape(hive)}\\.*?(?=^\[|\Z)", text)
        settings.write_text(as_nt_reads_it("".join(blocks)), encoding="ascii")
        run(program("hivexregedit"), "--merge", "--prefix", hive, name, settings)
    drive = tmp_path_factory.mktemp("drive")
    installed = drive.joinpath(*DLL_PATH.split("\\")[1:])
    installed.parent.mkdir()
    shutil.copy(kit / "bindpost.dll", installed)
    return Machine(registry, drive)


def records() -> Iterator[tuple[EventType, EvtRecord]]:
    """Give each event of the catalogue, with the names of its fields as insertion strings."""
    for number, event in enumerate(CATALOGUE, start=1):
        yield (
            event,
            EvtRecord(
                number=number,
                time_generated=916704001,
                time_written=916704001,
                identifier=event.identifier,
                type=event.level,
                category=event.category.number,
                source=event.source,
                computer="EXCH55",
                strings=tuple(f"<{name}>" for name in event.parameters),
            ),
        )


def test_evtexport_tells_the_sentence_and_the_category(
    program: Program, machine: Machine, tmp_path: Path
) -> None:
    """4007 is shown with its sentence, the code in it, and Initialization/Termination."""
    log = tmp_path / "AppEvent.Evt"
    export([BIND_FAILED], log)

    (record,) = machine.evtexport(program, log)

    assert record["Message filename"] == DLL_PATH
    assert record["Category message filename"] == DLL_PATH
    assert record["Event category"] == "Initialization/Termination (1)"
    assert record["Message string"] == (
        "The following error occurred while trying to bind the TCP/IP listener socket (10050)"
    )


def test_evtexport_finds_the_text_of_every_event(
    program: Program, machine: Machine, tmp_path: Path
) -> None:
    """Each event of both sources has its sentence and its category in the DLL."""
    log = tmp_path / "AppEvent.Evt"
    export([record for _, record in records()], log)

    shown = machine.evtexport(program, log)

    assert [(one["Message string"], one["Event category"]) for one in shown] == [
        (event.fill(record.strings), f"{event.category.title} ({event.category.number})")
        for event, record in records()
    ]


def test_without_the_registration_there_is_no_sentence(
    program: Program, machine: Machine, tmp_path: Path
) -> None:
    """It is our registration and our DLL that make the sentence appear, for our sources only."""
    log = tmp_path / "AppEvent.Evt"
    (_, record), *_ = records()
    export([replace(record, source="MSExchangeMTA")], log)

    (shown,) = machine.evtexport(program, log)

    assert "Message string" not in shown


def test_wrestool_finds_the_message_table(program: Program, kit: Path, tmp_path: Path) -> None:
    """icoutils sees one resource: a message table in US English, with all messages in it."""
    dll, table = kit / "bindpost.dll", tmp_path / "table"

    listed = run(program("wrestool"), "--list", dll)
    run(program("wrestool"), "--extract", "--raw", "--type=11", f"--output={table}", dll)

    assert re.fullmatch(
        r"--type=11 --name=1 --language=1033 \[type=messagelist offset=0x\w+ size=\d+\]\n", listed
    )
    content = table.read_bytes()
    (blocks,) = struct.unpack_from("<I", content)
    ranges = [struct.unpack_from("<II", content, 4 + 12 * n) for n in range(blocks)]
    numbers = [number for low, high in ranges for number in range(low, high + 1)]
    assert numbers == sorted(
        [category.number for category in Category] + [event.identifier for event in CATALOGUE]
    )
