"""A real server, asked by schemathesis whatever the OpenAPI document allows and forbids."""

from __future__ import annotations

import json
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bindpost.server.web.openapi import document
from bindpost.testing.serving import Serving

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "unsupported_method",
    "allow_header_conformance",
)
CONFIG = """
[[operations]]
include-path-regex = "/release$"
checks.positive_data_acceptance.enabled = false
"""
"""Which addresses a release takes, the relay's settings say and no schema."""


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """Give a server with some mail and a relay that leads nowhere."""
    (tmp_path / "bindpost.toml").write_text('[relay]\nserver = "127.0.0.1:1"\n', "utf-8")
    places = ("--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data", ":memory:")
    serving = Serving(places, folder=tmp_path).wait_ready()
    with smtplib.SMTP(*serving.smtp) as client:
        for number in range(3):
            client.sendmail("a@x.example", "b@x.example", f"Subject: {number}\r\n\r\nText\r\n")
    yield serving
    serving.cleanup()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_every_answer_is_one_of_the_document(serving: Serving, tmp_path: Path) -> None:
    """No request, good or bad, gets a status, a media type or an object that is not described."""
    described = document("1")
    paths = described["paths"]
    del paths["/api/bindpost/v1/events/stream"]  # which never ends
    (wait,) = [
        one
        for one in paths["/api/bindpost/v1/wait"]["get"]["parameters"]
        if one["name"] == "timeout"
    ]
    wait["schema"] |= {"maximum": 0.05, "default": 0.01}
    wait["required"] = True
    (tmp_path / "openapi.json").write_text(json.dumps(described), "utf-8")
    (tmp_path / "schemathesis.toml").write_text(CONFIG, "utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "run", "openapi.json"]
    command += ["--url", serving.client.url, "--checks", ",".join(CHECKS), "--no-color"]
    command += ["--phases", "coverage,fuzzing", "--max-examples", "50", "--request-timeout", "20"]

    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)

    assert result.returncode == 0, result.stdout + result.stderr
    assert " generated" in result.stdout
    assert serving.stop() == 0
