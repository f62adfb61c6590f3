"""Every reply of every personality is met: in a dialogue, or in a wire test that is named here."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from bindpost.server.smtp import personality
from bindpost.server.smtp.occasions import OCCASIONS
from bindpost.server.smtp.personality import Personality
from bindpost.server.smtp.personality_check import occasions_of

if TYPE_CHECKING:
    from tests.dialogs.conftest import Engine, Played

FOLDER: Final = Path(__file__).parent
WIRE: Final = FOLDER.parent / "wire" / "test_other_occasions.py"
ELSEWHERE: Final = {
    "too_many_connections": "test_one_session_too_many",
    "shutting_down": "test_the_end_of_the_service",
    "internal_error": "test_an_error_of_ours",
    "message_full": "test_a_message_that_cannot_be_kept",
    "message_failed": "test_a_message_that_cannot_be_kept",
}
"""What no single client can bring about, and the wire test that does, for every personality."""
NEVER: Final = {
    "too_many_times": "aiosmtpd's command_call_limit is left off",
    "auth_needs_tls": "aiosmtpd's auth_require_tls is left off",
    "starttls_required": "aiosmtpd's require_starttls is left off",
    "insecure": "aiosmtpd says it after a handshake that a handler refused, and there is none",
}
"""What only aiosmtpd's own options would make it say, and no setting sets."""
_AUTH: Final = {name for name in OCCASIONS if name.startswith("auth_")} - {"auth_required"}


def _cannot_say(words: Personality) -> set[str]:
    """Give the occasions that a personality's own data keep from ever coming."""
    keywords = {line.split()[0] for line in words.extensions}
    return {
        *(() if words.helo_required else ("send_helo",)),
        *(("ehlo_refused",) if keywords else ("ehlo",)),
        *(() if "SIZE" in words.mail_parameters else ("mail_ok_size", "mail_too_big")),
        *(() if "ETRN" in keywords else ("etrn", "etrn_syntax")),
        *(() if "XEXCH50" in keywords else ("xexch50_start", "xexch50_done", "xexch50_syntax")),
        *(() if words.auth_mechanisms else _AUTH),
    }


async def test_every_occasion_is_met(
    play: Callable[[Path, Engine], Awaitable[Played]],
) -> None:
    """All that a personality can say to one client is heard in its dialogues; nothing else is."""
    met = defaultdict[str, set[str]](set)
    for path in sorted(FOLDER.glob("*.smtp")):
        played = await play(path, "fast")
        met[played.personality] |= played.met

    expected = {
        name: occasions_of(personality.load(name))
        - ELSEWHERE.keys()
        - NEVER.keys()
        - _cannot_say(personality.load(name))
        for name in personality.names()
    }
    assert {name: every - met[name] for name, every in expected.items() if every - met[name]} == {}
    assert {name: met[name] - every for name, every in expected.items() if met[name] - every} == {}


@pytest.mark.parametrize(("occasion", "test"), ELSEWHERE.items())
def test_what_is_met_elsewhere_is_met_there(occasion: str, test: str) -> None:
    """The wire test is there, and names the occasion."""
    tree = ast.parse(WIRE.read_text("utf-8"))
    found = {
        node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.AsyncFunctionDef)
    }

    assert f"'{occasion}'" in found[test]
