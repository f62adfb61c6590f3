"""The example of docs/, personalities in a package, is installed as users do and speaks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bindpost.testing import Serving

EXAMPLE = Path(__file__).parents[2] / "docs" / "personality-example"
NAMES = sorted(file.stem for file in EXAMPLE.glob("*/*.toml"))

DIALOGUES: dict[str, list[tuple[str, str]]] = {
    "postfix": [
        ("", "220 mx.test ESMTP Postfix"),
        ("HELO", "501 Syntax: HELO hostname"),
        ("RCPT TO:<a@b>", "503 5.5.1 Error: need MAIL command"),
        ("HELO client", "250 mx.test"),
        ("MAIL FROM:<a@b> X=1", "555 5.5.4 Unsupported option: X"),
        ("MAIL FROM:<a@b> SIZE=10", "250 2.1.0 Ok"),
        ("MAIL FROM:<a@b>", "503 5.5.1 Error: nested MAIL command"),
        ("RCPT TO:<x@elsewhere.test>", "554 5.7.1 <x@elsewhere.test>: Relay access denied"),
        ("RCPT TO:<c@local.test>", "250 2.1.5 Ok"),
        ("DATA", "354 End data with <CR><LF>.<CR><LF>"),
        ("Subject: x\r\n\r\nHello.\r\n.", "250 2.0.0 Ok: queued as "),
        ("NOSUCH", "500 5.5.2 Error: command not recognized"),
        ("AUTH PLAIN AHVzZXIAcGFzcw==", "235 2.7.0 Authentication successful"),
        ("QUIT", "221 2.0.0 Bye"),
    ],
    "exim": [
        ("", "220 mx.test ESMTP Exim 4.99.1"),
        ("HELO client", "250 mx.test Hello client [127.0.0.1]"),
        ("MAIL FROM:<a@b>", "250 OK"),
        ("DATA", "503 valid RCPT command must precede DATA"),
        ("RCPT TO:<c@local.test>", "250 Accepted"),
        ("DATA", '354 Enter message, ending with "." on a line by itself'),
        ("Subject: x\r\n\r\nHello.\r\n.", "250 OK id="),
        ("HELP", "214-Commands supported:"),
        ("", "214 AUTH STARTTLS HELO EHLO MAIL"),
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("*", "501 Authentication cancelled"),
        ("QUIT", "221 mx.test closing connection"),
    ],
    "qmail": [
        ("", "220 mx.test ESMTP"),
        ("EHLO", "250-mx.test"),
        ("", "250-PIPELINING"),
        ("", "250 8BITMIME"),
        ("AUTH LOGIN", "502 unimplemented (#5.5.1)"),
        ("MAIL FROM:<a b>", "555 syntax error (#5.5.4)"),
        ("MAIL FROM:<a@b>", "250 ok"),
        ("DATA", "503 RCPT first (#5.5.1)"),
        ("RCPT TO:<x@elsewhere.test>", "553 sorry, that domain isn't in my list of allowed"),
        ("RCPT TO:<c@local.test>", "250 ok"),
        ("DATA", "354 go ahead"),
        ("Subject: x\r\n\r\nHello.\r\n.", "250 ok "),
        ("QUIT", "221 mx.test"),
    ],
}
"""What a client says (nothing: it only listens), and how the answer begins."""


def _talk(port: int, dialogue: list[tuple[str, str]]) -> None:
    """Say each line, and hold what is answered against what must be."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        connection.makefile("rb") as answers,
    ):
        for said, expected in dialogue:
            if said:
                connection.sendall(said.encode() + b"\r\n")
            assert answers.readline().decode().startswith(expected), said
        assert answers.read() == b""


def test_every_example_has_a_dialogue() -> None:
    """No file of the package is only looked at."""
    assert sorted(DIALOGUES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_says_where_its_words_come_from(name: str) -> None:
    """The head of each file names the published document."""
    text = next(EXAMPLE.glob(f"*/{name}.toml")).read_text("utf-8")
    head = text.partition("\n\n")[0].partition("extends")[0]

    assert "Where its words come from: " in head
    assert "published source" in head


def test_they_are_listed(installed: dict[str, str]) -> None:
    """`bindpost plugins` names them, and their package."""
    done = subprocess.run(
        [sys.executable, "-m", "bindpost", "plugins", "--json"],
        capture_output=True,
        env=os.environ | installed,
        timeout=30,
        check=True,
    )

    assert [(row["kind"], row["name"], row["package"]) for row in json.loads(done.stdout)] == [
        ("personality", name, "bindpost-servers") for name in NAMES
    ]


def test_they_speak(installed: dict[str, str], tmp_path: Path) -> None:
    """A service with a listener for each says what the real ones would, and keeps the mail."""
    listeners = "".join(
        f'[[listener]]\nendpoint = "127.0.0.1:0"\npersonality = "{name}"\n' for name in NAMES
    )
    (tmp_path / "bindpost.toml").write_text(
        f'hostname = "mx.test"\nweb = "off"\ndata = ":memory:"\n{listeners}'
        "[ims]\nRelayFlags = 1\n"
        'RelayDenyList = ["127.0.0.1"]\nLocalDomains = ["local.test"]\n'
    )
    serving = Serving(["--config", str(tmp_path / "bindpost.toml")], folder=tmp_path, env=installed)
    try:
        serving.wait_ready()
        for name, address in zip(NAMES, serving.ready["bindpost"]["smtp"], strict=True):
            _talk(int(address.rpartition(":")[2]), DIALOGUES[name])
        serving.wait_for_event(2002, len(NAMES))
    finally:
        serving.cleanup()
