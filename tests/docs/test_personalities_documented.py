"""docs/personalities.md: the replies in it are made from the data, and nothing is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindpost.server.smtp import personality
from bindpost.server.smtp.document import PART

PAGE = Path(__file__).parents[2] / "docs" / "personalities.md"


@pytest.fixture(scope="module")
def page() -> str:
    """Give the page's text."""
    return PAGE.read_text(encoding="utf-8")


def _section(page: str, name: str) -> str:
    return page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize("name", personality.names())
def test_every_personality_is_introduced(page: str, name: str) -> None:
    """Each stands in the first table, with what it speaks like."""
    assert f"\n| `{name}` | " in page.partition(PART.begin)[0]


@pytest.mark.parametrize("name", personality.names())
def test_every_reply_has_a_row(page: str, name: str) -> None:
    """Each occasion has its code, its words, and how sure they are."""
    section = _section(page, name)

    for occasion, reply in personality.load(name).reply.items():
        (row,) = [line for line in section.splitlines() if line.startswith(f"| `{occasion}` |")]
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert cells[1:3] == [str(reply.code), f"`{reply.text}`"]
        assert cells[3].startswith(
            {"text": "code and text", "code": "code", "no": "no"}[reply.attested]
        )


def test_what_is_said_in_lmtp_has_a_row(page: str) -> None:
    """Where it differs from what is said in SMTP."""
    section = _section(page, "plain")

    for occasion, reply in personality.load("plain").lmtp.items():
        assert f"| `{occasion}` in LMTP | {reply.code} | `{reply.text}` |" in section


@pytest.mark.parametrize("name", personality.names())
def test_every_keyword_is_listed(page: str, name: str) -> None:
    """The keyword list stands there in its order."""
    section = _section(page, name)
    keywords = personality.load(name).extensions

    assert ", ".join(f"`{line}`" for line in keywords) in section


def test_what_is_inherited_is_told(page: str) -> None:
    """A reply that is attested for 5.5 only is not said to be attested for 4.0."""
    row = next(line for line in _section(page, "imc-4.0").splitlines() if "`mail_ok`" in line)

    assert "code and text, of ims-5.5" in row
