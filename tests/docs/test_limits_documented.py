"""docs/limits.md names each limit with its default, and what holds it is where it says."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from bindpost.config.model import Limits, Pop3, WebLimits
from bindpost.proxy.background import CONNECTIONS as SOCKS_CONNECTIONS
from bindpost.proxy.socks.standin_session import CONNECT, NEGOTIATION
from bindpost.proxy.winsock.standin import CONNECTIONS as WSP_CONNECTIONS
from bindpost.proxy.winsock.standin import SESSIONS as WSP_SESSIONS
from bindpost.server.descriptors import RESERVED
from bindpost.server.message.mime import DEPTH_LIMIT, PART_LIMIT
from bindpost.server.pop3.grammar import LINE_LIMIT as POP3_LINE
from bindpost.server.pop3.session import BAD_COMMANDS, BAD_LOGINS
from bindpost.server.smtp.conversation import XEXCH50_LIMIT
from bindpost.server.smtp.transcript import MAX_LINES, MAX_SIZE

DOCS = Path(__file__).parents[2] / "docs"
MIB = 1 << 20
OF_OTHER_KINDS = {"drain", "reverse_lookup", "exempt"}
"""What bounds nothing that a peer does, or is no number."""
NUMBERS = {
    **{
        field.name: getattr(Limits(), field.name)
        for field in msgspec.structs.fields(Limits)
        if field.name not in OF_OTHER_KINDS
    },
    **{
        f"web_limits.{field.name}": getattr(WebLimits(), field.name)
        for field in msgspec.structs.fields(WebLimits)
    },
}


@pytest.fixture(scope="module")
def page() -> str:
    """Give the page's text."""
    return (DOCS / "limits.md").read_text(encoding="utf-8")


def _written(number: float) -> str:
    if isinstance(number, float):
        return f"{number:,.0f} s"
    if number >= MIB:
        return f"{number // MIB} MiB"
    return f"{number:,}" if number else "none"


@pytest.mark.parametrize("name", NUMBERS)
def test_a_limit_has_a_row_with_its_default(page: str, name: str) -> None:
    """A new one has to get a row, and one that changes a new number."""
    row = re.search(rf"^\| [^|]*`{re.escape(name)}`[^|]*\|([^|]*)\|", page, re.MULTILINE)

    assert row is not None
    assert row[1].strip().startswith(_written(NUMBERS[name]))


def test_the_constants_are_those_of_the_code(page: str) -> None:
    """They have no setting, but rows as well."""
    for said in (
        f"all but {RESERVED:,}, or half of them",
        f"| {MAX_LINES:,} lines, {MAX_SIZE // MIB} MiB |",
        f"| octets of XEXCH50 | {XEXCH50_LIMIT // MIB} MiB |",
        f"| POP3: a command line | {POP3_LINE} octets |",
        f"| {Pop3().sessions}; {Pop3().timeout:.0f} s |",
        f"| POP3: commands refused one after the other; logins | {BAD_COMMANDS}; {BAD_LOGINS} |",
        f"| {SOCKS_CONNECTIONS}; {NEGOTIATION:.0f} s; {CONNECT:.0f} s | closed; closed; refused |",
        f"| {WSP_SESSIONS}; {WSP_CONNECTIONS:,} | refused; closed |",
        f"| parts | {PART_LIMIT:,} of a message, {DEPTH_LIMIT} levels deep",
    ):
        assert said in page
