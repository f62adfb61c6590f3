"""A real server, asked by schemathesis whatever the OpenAPI document allows and forbids."""

from __future__ import annotations

import asyncio
import json
import smtplib
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Lab, Listener, Mailbox, Relay, Settings
from bindpost.server.app import Bindpost
from bindpost.server.web import native
from bindpost.server.web.openapi import document

CONFIG = """
[checks]
allow_header_conformance.enabled = true

[[operations]]
include-path-regex = "/(release|wait|import|inbox|link-check)$|/faults"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-path-regex = "/messages$"
include-method = "GET"
checks.positive_data_acceptance.enabled = false
"""
"""
Which addresses a release takes the relay says, what is a pattern RE2 does, that the bytes of an
import are not none, what an inbox file is, and which action a fault may have where; no schema can.
An empty id, which is none, makes another path of a POST behind it.
"""


EXAMPLES = 30
LONGEST_WAIT = 0.05
PATIENCE = 100.0


@pytest.fixture
async def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Give the URL of a server with mail, any mailbox, a relay that leads nowhere, short waits."""
    monkeypatch.setattr(native, "WAIT_DEFAULT", 0.01)
    monkeypatch.setattr(native, "WAIT_LIMIT", LONGEST_WAIT)
    settings = Settings(
        listener=(Listener("127.0.0.1:0"),),
        web="127.0.0.1:0",
        data=":memory:",
        relay=Relay(server="127.0.0.1:1"),
        lab=Lab(from_web="off"),  # nothing may be started by guessing
        mailbox=(Mailbox(name="*", plus_tags=("*",)),),
    )
    async with Bindpost(settings, folder=tmp_path) as app:
        await asyncio.to_thread(send_mail, app.smtp[0])
        assert app.web is not None
        yield app.web.url


def send_mail(to: Endpoint) -> None:
    """Send three messages."""
    with smtplib.SMTP(to.host, to.port) as client:
        for number in range(3):
            client.sendmail("a@x.example", "b@x.example", f"Subject: {number}\r\n\r\nText\r\n")


@pytest.mark.long
@pytest.mark.timeout(PATIENCE + 15)
async def test_every_answer_is_one_of_the_document(url: str, tmp_path: Path) -> None:
    """No request, good or bad, gets a status, a media type or an object that is not described."""
    described = document("1")
    paths = described["paths"]
    for stream in ("events/stream", "scenarios/stream", "stream"):  # which never end
        del paths[f"/api/bindpost/v1/{stream}"]
    for parameter in paths["/api/bindpost/v1/wait"]["get"]["parameters"]:
        if parameter.get("name") == "timeout":
            parameter["schema"] |= {"maximum": LONGEST_WAIT, "default": 0.01}
    (tmp_path / "openapi.json").write_text(json.dumps(described), "utf-8")
    (tmp_path / "schemathesis.toml").write_text(CONFIG, "utf-8")
    command = ["-m", "schemathesis.cli", "run", "openapi.json", "--url", url, "--no-color"]
    command += ["--phases", "coverage,fuzzing,stateful"]
    command += ["--max-examples", str(EXAMPLES), "--request-timeout", "20"]
    asking = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=tmp_path, stdout=PIPE, stderr=STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(asking.communicate(), PATIENCE)
    finally:
        if asking.returncode is None:
            asking.kill()
            await asking.wait()

    assert asking.returncode == 0, said.decode()
    assert b" generated" in said
