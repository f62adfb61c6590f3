"""The event kit: deterministic files, texts as FormatMessage wants them, and the command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bindpost.cli import main
from bindpost.events import BIND_FAILED, CATALOGUE, WINSOCK_FAILED
from bindpost.server.eventlog.kit import DEFAULT_DLL_PATH, kit_files
from bindpost.server.eventlog.kit.journal_catalogue import journal_catalogue
from bindpost.server.eventlog.kit.message_dll import message_dll
from bindpost.server.eventlog.kit.message_table import messages, pack

NAMES = {
    "README.md",
    "bindpost.catalog",
    "bindpost.dll",
    "bindpost.reg",
    "sigma/win_application_bindpost_path_lost.yml",
    "sigma/win_application_msexchangeimc_bind_listener.yml",
    "sigma/win_application_msexchangeimc_service_start.yml",
}
PRINT_DIGEST = """
import hashlib
from bindpost.server.eventlog.kit import kit_files
print(hashlib.sha256(repr(sorted(kit_files().items())).encode()).hexdigest())
"""


def test_the_same_catalogue_makes_the_same_bytes() -> None:
    """Neither time nor the order of hashes is in any file."""
    made = {
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(made) == 1


def test_each_event_is_in_the_table_under_its_identifier() -> None:
    """4007 is found under 0xC0000FA7, its category under 1."""
    table = messages(CATALOGUE)

    assert table[0xC0000FA7] == BIND_FAILED.template
    assert table[1] == "Initialization/Termination"
    assert len(table) == len(CATALOGUE) + 8


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("100 % of %1", "100 %% of %1"),
        ("%1!", "%1%!"),
        ("%1 and %12!", "%1 and %12%!"),
        ("%0 %n %t", "%%0 %%n %%t"),
        ("no code!", "no code!"),
    ],
)
def test_what_format_message_would_take_for_a_code_is_escaped(template: str, message: str) -> None:
    """Insertion strings stay; every other percent sign, and a format behind one, is shown."""
    event = replace(WINSOCK_FAILED, template=template)

    assert messages([event])[event.identifier] == message


def test_two_events_with_one_identifier_are_refused() -> None:
    """The sources share a table, so that one number could have one text only."""
    with pytest.raises(ValueError, match="0xC0000FA7"):
        messages([BIND_FAILED, replace(BIND_FAILED, source="bindpost")])


def test_the_table_is_what_winnt_h_describes() -> None:
    """Neighbours share a block; an entry has length, the Unicode mark, CRLF and NUL, padded."""
    assert pack({7: "ab", 8: "c", 3: "d"}).hex(" ", 4) == (
        "02000000 "
        "03000000 03000000 1c000000 07000000 08000000 28000000 "
        "0c000100 64000d00 0a000000 "
        "10000100 61006200 0d000a00 00000000 "
        "0c000100 63000d00 0a000000"
    )


def test_the_dll_is_aligned_and_has_no_code() -> None:
    """It is a PE32 DLL of whole pieces of 512 bytes, without an entry point or a time stamp."""
    dll = message_dll(b"x" * 5000)

    assert (dll[:2], dll[0x40:0x44]) == (b"MZ", b"PE\0\0")
    assert len(dll) % 0x200 == 0
    assert dll[0x48:0x4C] == bytes(4)
    assert dll[0x68:0x6C] == bytes(4)


def test_the_registry_file_is_nt_4s() -> None:
    """Both sources, in REGEDIT4's syntax; the path is expandable and may hold %SystemRoot%."""
    lines = kit_files()["bindpost.reg"].decode("ascii").split("\r\n")

    assert lines[0] == "REGEDIT4"
    key = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\EventLog\Application"
    assert [line for line in lines if line.startswith("[")] == [
        f"[{key}\\MSExchangeIMC]",
        f"[{key}\\bindpost]",
    ]
    paths = [line.partition("hex(2):")[2] for line in lines if "MessageFile" in line]
    assert {bytes.fromhex(path.replace(",", " ")) for path in paths} == {
        DEFAULT_DLL_PATH.encode() + b"\0"
    }
    assert lines.count('"CategoryCount"=dword:00000008') == 2


def test_the_journals_catalogue_names_only_fields_that_are_sent() -> None:
    """What stands between @ in it is a field of the journald sink."""
    text = journal_catalogue(CATALOGUE).decode("ascii")
    known = {"ERROR_CODE", "ERROR_NAME", "ERROR_MESSAGE"}
    known |= {"BINDPOST_HOP", "BINDPOST_REASON", "BINDPOST_HINT"}

    assert set(re.findall("@([^@\n]*)@", text)) == known
    assert "@" not in re.sub("@[A-Z_]+@", "", text)


def test_the_readme_says_what_must_not_be_done() -> None:
    """It warns of a real Exchange, and names the path that was asked for."""
    text = kit_files(r"D:\Lab\bindpost.dll")["README.md"].decode()

    assert "On a machine with a real Exchange 5.5 do not install ours" in text
    assert r"`D:\Lab\bindpost.dll`" in text
    assert not re.search("@[A-Z_]+@", text)


def test_the_command_writes_the_kit(tmp_path: Path) -> None:
    """It prints each file that it wrote, and replaces those that are there."""
    folder = tmp_path / "a" / "kit"
    first = CliRunner().invoke(main, ["events", "kit", str(folder)])
    (folder / "bindpost.reg").write_text("old")
    again = CliRunner().invoke(main, ["events", "kit", str(folder)])

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert {Path(line).relative_to(folder).as_posix() for line in first.output.split()} == NAMES
    assert {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    } == kit_files()


@pytest.mark.parametrize("path", ["", " ", "C:\\M\u00fcll\\bindpost.dll", "C:\\a\nb"])
def test_a_path_that_the_registry_cannot_hold_is_refused(tmp_path: Path, path: str) -> None:
    """The error names the option, and nothing is written."""
    done = CliRunner().invoke(main, ["events", "kit", str(tmp_path / "kit"), "--dll-path", path])

    assert done.exit_code == 2
    assert "--dll-path: write a path in ASCII" in done.output
    assert not (tmp_path / "kit").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """No traceback, but the place and the reason."""
    (tmp_path / "file").write_text("")

    done = CliRunner().invoke(main, ["events", "kit", str(tmp_path / "file" / "kit")])

    assert done.exit_code == 1
    assert "Not a directory" in done.output
    assert str(tmp_path / "file") in done.output
