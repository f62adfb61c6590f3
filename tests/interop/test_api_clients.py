"""Published clients of Mailpit's and MailHog's APIs do their whole job against bindpost."""

from __future__ import annotations

import json
import os
import smtplib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from bindpost.testing import Serve, Serving

from . import published

CLIENTS = published.CLIENTS
MAIL = (
    b"Delivered-To: to@example.test\r\nFrom: Sender <from@example.test>\r\nTo: to@example.test\r\n"
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nDate: Sun, 01 Mar 2026 12:30:05 +0100\r\n"
    b"Message-ID: <m1@example.test>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\nZeichen: =C3=A4\r\n\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"PHA+w6Q8L3A+DQo=\r\n"
    b"--b\r\nContent-Type: application/octet-stream\r\n"
    b"Content-Disposition: attachment; filename=a.bin\r\n\r\nabc\r\n--b--\r\n"
)

pytestmark = pytest.mark.timeout(240)  # the first one installs them

Program = Callable[[str], Path]
Node = Callable[..., str]


@pytest.fixture
def node(program: Program) -> Node:
    """Give a function that runs one of the scripts in clients/ with node."""
    modules = published.node_modules(program("npm"))

    def run(script: str, *arguments: str) -> str:
        command: list[str | Path] = [program("node"), CLIENTS / script, *arguments]
        return published.run(command, NODE_PATH=str(modules))

    return run


@pytest.fixture
def as_mailpit(serve: Serve, tmp_path: Path) -> Callable[..., Serving]:
    """Give what starts a bindpost that deletes all when it is told as Mailpit is told."""

    def start(*, relay: str = "") -> Serving:
        config = tmp_path / "compatible.toml"
        config.write_text(
            f'[mailpit]\ndelete_without_body = true\nchaos = true\n[relay]\nserver = "{relay}"\n'
        )
        return serve("--config", str(config)).wait_ready()

    return start


@pytest.fixture
def relayed_to(serve: Serve, tmp_path: Path) -> Serving:
    """Give another bindpost, which takes what is released."""
    return serve("--data", str(tmp_path / "relayed")).wait_ready()


def url(serving: Serving) -> str:
    """Give the URL of its API."""
    return str(serving.ready["bindpost"]["web"])


def address(serving: Serving) -> str:
    """Give its SMTP address as HOST:PORT."""
    return "{}:{}".format(*serving.smtp)


def deliver(serving: Serving, *to: str) -> None:
    """Deliver MAIL by SMTP."""
    with smtplib.SMTP(*serving.smtp) as smtp:
        smtp.sendmail("from@example.test", to or ("to@example.test",), MAIL)


def released(relayed_to: Serving) -> list[str]:
    """Give the recipients of the one message that comes by relay."""
    message = relayed_to.client.wait(timeout=30)
    assert message is not None
    return [recipient.address for recipient in message.envelope.recipients]


def test_mailpit_api(as_mailpit: Callable[..., Serving], relayed_to: Serving, node: Node) -> None:
    """npm's mailpit-api sends, reads, finds, tags, marks, releases and deletes."""
    relay = address(relayed_to)

    node("mailpit_api.cjs", url(as_mailpit(relay=relay)), relay)

    assert released(relayed_to) == ["released@example.test"]


def test_cypress_mailpit(as_mailpit: Callable[..., Serving], node: Node) -> None:
    """Every command of npm's cypress-mailpit does what it says; Cypress itself is a stand-in."""
    node("cypress_mailpit.cjs", url(as_mailpit()))


def test_mailhog_of_npm(
    as_mailpit: Callable[..., Serving], relayed_to: Serving, node: Node
) -> None:
    """npm's mailhog reads, decodes, finds, releases and deletes."""
    relay = address(relayed_to)
    serving = as_mailpit(relay=relay)
    for last in ([], ["release"]):
        deliver(serving, "to@example.test", "blind@example.test")
        node("mailhog.cjs", url(serving), relay, *last)

    assert released(relayed_to) == ["released@example.test"]


def test_mailhog_of_pypi(as_mailpit: Callable[..., Serving]) -> None:
    """PyPI's mailhog reads, finds and deletes."""
    serving = as_mailpit()
    deliver(serving, "to@example.test", "blind@example.test")
    host, port = httpx.URL(url(serving)).host, str(httpx.URL(url(serving)).port)

    published.run([published.python(), CLIENTS / "mailhog_client.py", host, port])


def test_mailpit_api_client(as_mailpit: Callable[..., Serving]) -> None:
    """PyPI's mailpit-api-client reads and deletes."""
    serving = as_mailpit()
    deliver(serving)

    published.run([published.python(), CLIENTS / "mailpit_api_client.py", url(serving)])


def test_pytest_mailpit(as_mailpit: Callable[..., Serving], tmp_path: Path) -> None:
    """A test suite that uses PyPI's pytest-mailpit passes."""
    serving = as_mailpit()
    suite = tmp_path / "suite" / "test_suite.py"
    suite.parent.mkdir()
    suite.write_bytes((CLIENTS / "pytest_mailpit_suite.py").read_bytes())
    (suite.parent / "pytest.ini").write_text("[pytest]\n")

    said = published.run(
        [published.python(), "-m", "pytest", "-q", "-p", "no:cacheprovider", suite],
        MAILPIT_URL=url(serving),
        SMTP=address(serving),
    )

    assert "6 passed" in said


def test_without_the_switch_their_delete_all_deletes_nothing(serve: Serve) -> None:
    """A DELETE as these clients send it, without a JSON body, is refused unless it is allowed."""
    serving = serve().wait_ready()
    deliver(serving)

    for body in (None, b"ids=x"):
        request = httpx.Request("DELETE", f"{url(serving)}/api/v1/messages", content=body)
        with httpx.Client(trust_env=False) as client:
            assert client.send(request).status_code == 400

    assert len(serving.client.messages()) == 1


class Listener:
    """npm's ws at Mailpit's WebSocket; gives the frames."""

    def __init__(self, command: list[str | Path], modules: Path) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"NODE_PATH": str(modules)},
        )

    def next(self, kind: str) -> Any:
        """Give the data of the next frame of a type; others are passed over."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            frame = json.loads(line)
            assert set(frame) == {"Type", "Data"}
            if frame["Type"] == kind:
                return frame["Data"]
        raise AssertionError(f"the connection ended without {kind}")

    def end(self) -> int:
        """Close the connection; gives the exit status."""
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
            return self._process.wait(30)


def test_ws_is_told_what_happens(serve: Serve, program: Program) -> None:
    """npm's ws gets every kind of event of Mailpit's WebSocket as it happens."""
    modules = published.node_modules(program("npm"))
    serving = serve().wait_ready()
    socket = url(serving).replace("http", "ws", 1) + "/api/events"
    listener = Listener([program("node"), CLIENTS / "websocket.cjs", socket], modules)
    api = httpx.Client(base_url=f"{url(serving)}/api/v1", trust_env=False)

    assert listener.next("stats")["Total"] == 0  # on connecting
    deliver(serving)
    new = listener.next("new")
    assert new["Subject"] == "Grüße"
    assert listener.next("stats")["Unread"] == 1
    api.get(f"/message/{new['ID']}")
    assert listener.next("update") == {"ID": new["ID"], "Read": True}
    api.put("/tags", json={"IDs": [new["ID"]], "Tags": ["a"]})
    assert listener.next("update") == {"ID": new["ID"], "Tags": ["a"]}
    api.put("/tags/a", json={"Name": "b"})
    assert listener.next("prune") is None
    api.request("DELETE", "/messages", json={"IDs": [new["ID"]]})
    assert listener.next("delete") == {"ID": new["ID"]}
    deliver(serving)
    api.request("DELETE", "/messages", json={})
    assert listener.next("truncate") is None
    with smtplib.SMTP(*serving.smtp) as smtp:
        smtp.docmd("NONSENSE")
    error = listener.next("error")
    assert (error["Level"], error["Type"], error["IP"]) == ("error", "smtpd", "127.0.0.1")
    assert error["Message"].startswith("500")
    assert listener.end() == 0
    api.close()
    assert serving.stop() == 0


def test_ws_of_another_page_is_refused(serve: Serve, program: Program) -> None:
    """A WebSocket that a browser opens for another page gets 403, however its path is written."""
    modules = published.node_modules(program("npm"))
    serving = serve().wait_ready()
    for path in ("/api/events", "/%61pi/events", "//api//events", "/api/v2/websocket"):
        socket = url(serving).replace("http", "ws", 1) + path
        command: list[str | Path] = [
            program("node"),
            CLIENTS / "websocket.cjs",
            socket,
            "http://evil.example",
        ]
        listener = Listener(command, modules)
        assert listener._process.stdout is not None
        assert listener._process.stdout.read() == b"403\n"
        assert listener.end() == 1
