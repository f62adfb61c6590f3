"""docs/lab-proxies.md: the options, misbehaviours and policies of the stand-ins, all of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from bindpost.cli.lab_forward import forward
from bindpost.cli.lab_proxy import socks5, winsock
from bindpost.proxy.socks.standin import Fault, PortPolicy
from bindpost.proxy.winsock.standin_faults import MISBEHAVIOURS

PAGE = (Path(__file__).parents[2] / "docs" / "lab-proxies.md").read_text(encoding="utf-8")
COMMANDS = {"winsock": winsock, "socks5": socks5}
OPTIONS = [
    (kind, option)
    for kind, command in COMMANDS.items()
    for parameter in command.params
    for option in parameter.opts
]


def rows(heading: str) -> list[list[str]]:
    """Give the cells of the first table behind a text."""
    table = re.search(r"\n\n((?:\|.*\n)+)", PAGE[PAGE.index(heading) :])
    assert table is not None
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()[2:]
    ]


@pytest.mark.parametrize(("kind", "option"), OPTIONS)
def test_every_option_has_a_row(kind: str, option: str) -> None:
    """An option stands in the table, with a yes under its command."""
    column = {"winsock": 1, "socks5": 2}[kind]
    (row,) = [row for row in rows("## Options") if row[0].startswith(f"`{option} ")]

    assert row[column] == "yes"


def test_no_option_is_told_that_is_not_there() -> None:
    """Each yes of the table is an option."""
    told = {
        (kind, row[0].strip("`").split()[0].rstrip("`"))
        for row in rows("## Options")
        for kind, cell in zip(COMMANDS, row[1:3], strict=True)
        if cell == "yes"
    }

    assert told == set(OPTIONS)


def test_what_can_be_wrong_with_socks_is_told() -> None:
    """Each misbehaviour, with its own words."""
    assert rows("Of the SOCKS server") == [[f"`{fault.value}`", fault.words] for fault in Fault]


def test_what_can_be_wrong_with_the_winsock_proxy_is_told() -> None:
    """Each misbehaviour has a row."""
    told = [row[0].split(",")[0].strip("`") for row in rows("Of the Winsock Proxy")]

    assert told == [name for name in MISBEHAVIOURS if name != "none"]


def test_port_policies_are_told() -> None:
    """Each policy has a row."""
    told = [row[0].strip("`") for row in rows("## Ports that")]

    assert told == [policy.value for policy in PortPolicy]


@pytest.mark.parametrize("line", re.findall(r"^bindpost lab proxy .*$", PAGE, re.MULTILINE))
def test_every_command_is_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command of the page is one that the command line takes."""
    monkeypatch.chdir(tmp_path)
    _, _, _, kind, *arguments = shlex.split(line)
    command: click.Command = {**COMMANDS, "forward": forward}[kind]

    with command.make_context(kind, arguments) as context:
        assert not context.args
