"""The plugin in pytest runs of other projects: sessions, options, mistakes, and what it costs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bindpost.client import Client
from bindpost.testing import Serving
from bindpost.testing.running import connect

QUIET = "-p no:randomly -p no:cacheprovider -p no:schemathesis --strict-markers -W error"
Run = Callable[..., str]
SENDING = """
import smtplib
import pytest

def send(server, to="jane@example.test"):
    with smtplib.SMTP(server.host, server.port) as smtp:
        smtp.sendmail("shop@example.test", [to], "Subject: Hello\\r\\n\\r\\nHi.\\r\\n")
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Give a function that runs pytest over a test module; it gives the output, which ends well."""

    def run(module: str, *options: str, ini: str = "", fails: bool = False) -> str:
        (tmp_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
        (tmp_path / "test_it.py").write_text(SENDING + module)
        environ = {name: value for name, value in os.environ.items() if "BINDPOST" not in name}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *QUIET.split(), *options],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == int(fails), done.stdout + done.stderr
        return done.stdout

    return run


def test_a_run_without_the_fixture_imports_nothing(run: Run) -> None:
    """The plugin is loaded, and that is all."""
    run(
        """
import sys

def test_nothing():
    ours = {name for name in sys.modules if name.partition(".")[0] == "bindpost"}
    assert ours == {"bindpost", "bindpost.pytest_plugin"}
    assert not {"structlog", "msgspec", "aiosmtpd", "starlette", "socks"} & sys.modules.keys()
"""
    )


def test_a_shared_server_shows_each_test_its_own_mail(run: Run) -> None:
    """`bindpost_session` is one server, of which each test sees what came in its time."""
    output = run(
        """
@pytest.fixture(scope="session")
def app(bindpost_session):
    send(bindpost_session)
    return bindpost_session.port

@pytest.mark.parametrize("number", range(3))
def test_mail(bindpost_session, app, number):
    assert app == bindpost_session.port
    send(bindpost_session, to=f"{number}@example.test")
    assert bindpost_session.wait_for(to=f"{number}@example.test")
    assert bindpost_session.messages[-1].recipients == (f"{number}@example.test",)
    assert len(bindpost_session.messages) == (2 if number == 0 else 1)
    bindpost_session.clear()
    assert bindpost_session.messages == []
    assert bindpost_session.settings.personality == "plain"

def test_there_is_none_of_it_here(bindpost_session):
    assert bindpost_session.messages == []
    assert len(bindpost_session.events) == 0
"""
    )

    assert "4 passed" in output


def test_options_and_markers(run: Run, tmp_path: Path) -> None:
    """The ini option sets the personality, a marker names a file, others stay out of it."""
    (tmp_path / "bindpost.toml").write_text("personality = 'imc-4.0'\nbad = 1\n")
    (tmp_path / "mail.toml").write_text("personality = 'ims-5.0'\n[limits]\nrecipients = 1\n")
    (tmp_path / "mine.toml").write_text(
        "extends = 'plain'\nname = 'mine'\nproduct = 'Mine'\nbuild = '1'\n"
    )
    output = run(
        """
def test_ini(bindpost):
    assert bindpost.settings.personality == "ims-5.5"

@pytest.mark.bindpost(config="mail.toml")
def test_file(bindpost):
    assert bindpost.settings.personality == "ims-5.0"
    assert bindpost.settings.limits.recipients == 1
    send(bindpost)

@pytest.mark.bindpost(personality="mine.toml")
def test_own_personality(bindpost):
    send(bindpost)
    assert bindpost.messages[0].session.personality == "mine"

def test_async(bindpost):
    import asyncio
    async def main():
        send(bindpost)
        return await bindpost.async_wait_for()
    assert asyncio.run(main()).text == "Hi.\\r\\n"
""",
        ini="bindpost_personality = ims-5.5",
    )

    assert "4 passed" in output


def test_mistakes_are_told_in_a_sentence(run: Run) -> None:
    """A bad marker or setting is an error of the test that names what is wrong, no traceback."""
    output = run(
        """
@pytest.mark.bindpost("plain", colour="red")
def test_marker(bindpost): pass

@pytest.mark.bindpost(settings={"limits": {"recipient": 1}})
def test_key(bindpost): pass

@pytest.mark.bindpost(settings={"faults": "more.toml"})
def test_faults(bindpost): pass

@pytest.mark.bindpost(config="none.toml")
def test_file(bindpost): pass

@pytest.mark.bindpost(via="winsock://127.0.0.1:1")
def test_bind(bindpost): pass
""",
        fails=True,
    )

    assert "5 errors" in output
    assert "@pytest.mark.bindpost takes personality=, tls=, via=" in output
    assert "not 'plain', colour" in output
    assert "limits.recipient" in output
    assert "faults: is read with a configuration file only" in output
    assert "none.toml" in output
    assert "no bindpost for this test: bind 127.0.0.1:0 through winsock://127.0.0.1:1" in output
    assert "Traceback" not in output


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """Give a server that runs elsewhere, with a message that was there before."""
    options = ["--listen", "0.0.0.0:0", "--web", "127.0.0.1:0", "--data", ":memory:"]
    serving = Serving(options, folder=tmp_path)
    yield serving.wait_ready()
    serving.cleanup()


def test_a_server_that_runs(run: Run, serving: Serving) -> None:
    """With `bindpost_server` the same tests use a server that runs elsewhere."""
    url = serving.client.url
    output = run(
        f"""
def test_mail(bindpost_session):
    assert bindpost_session.web == "{url}"
    assert (bindpost_session.host, bindpost_session.settings) == ("127.0.0.1", None)
    send(bindpost_session)
    message = bindpost_session.wait_for(to="jane@example.test", headers={{"Subject": "Hello"}})
    assert message.raw == b"Subject: Hello\\r\\n\\r\\nHi.\\r\\n"
    assert [found.id for found in bindpost_session.messages] == [message.id]

def test_nothing_is_here(bindpost_session):
    assert bindpost_session.messages == []
    send(bindpost_session, to="bob@example.test")
    bindpost_session.clear()
""",
        ini=f"bindpost_server = {url}",
    )

    assert "2 passed" in output
    (left,) = Client(url).messages()
    assert left.recipients == ("jane@example.test",), "what belongs to others is left alone"


def test_a_mailbox_of_a_server_that_runs(run: Run, tmp_path: Path) -> None:
    """With `bindpost_mailbox` tests see, wait for and clear what is in it, and nothing else."""
    (tmp_path / "bindpost.toml").write_text('[[mailbox]]\nname = "ci-*"\nplus_tags = ["ci-*"]\n')
    options = ["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data", ":memory:"]
    serving = Serving(options, folder=tmp_path)
    try:
        url = serving.wait_ready().client.url
        output = run(
            """
def test_mail(bindpost_session):
    send(bindpost_session, to="jane+ci-other@example.test")
    send(bindpost_session, to="jane+ci-main@example.test")
    message = bindpost_session.wait_for(subject="Hello")
    assert message.recipients == ("jane+ci-main@example.test",)
    assert [found.id for found in bindpost_session.messages] == [message.id]
    bindpost_session.clear()
    assert bindpost_session.messages == []
""",
            ini=f"bindpost_server = {url}\nbindpost_mailbox = ci-{{worker}}",
        )
        left = serving.client.messages()
    finally:
        serving.cleanup()

    assert "1 passed" in output
    assert [message.mailboxes for message in left] == [("ci-other",)]


async def test_connect(tmp_path: Path) -> None:
    """By hand too; what happened before is not seen, and what comes can be waited for."""
    options = ["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data", ":memory:"]
    (tmp_path / "bindpost.toml").write_text("[limits]\nsessions = 1\n")
    serving = Serving(options, folder=tmp_path)
    try:
        server = connect(serving.wait_ready().client.url)
        with pytest.raises(AssertionError, match="none came at all"):
            await server.async_wait_for(timeout=0)
        with pytest.raises(AssertionError, match="no event 102 happened in 0 seconds"):
            server.events.wait_for(id=102, timeout=0)

        waiting = asyncio.create_task(server.events.async_wait_for(id=102))
        first, second = [await asyncio.open_connection(*serving.smtp) for _ in range(2)]
        assert (await waiting).source == "bindpost"
        server.events.clear()
        assert 102 not in server.events.ids
        for _, writer in (first, second):
            writer.close()
    finally:
        serving.cleanup()


def test_a_server_that_is_not_there(run: Run) -> None:
    """A wrong URL is told in a sentence."""
    output = run(
        "def test_mail(bindpost_session): pass",
        ini="bindpost_server = http://127.0.0.1:1",
        fails=True,
    )

    assert "bindpost_server: asking http://127.0.0.1:1 for" in output
