"""`bindpost sendmail` in the place of sendmail: PHP, git and mail send by it, and statuses tell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bindpost.client import Message
from bindpost.testing import Serve, Serving

Program = Callable[[str], Path]
MAIL = b"From: a@example.test\nTo: b@example.test\nBcc: c@example.test\nSubject: Hello\n\n.\nHi\n"


def place(serving: Serving) -> str:
    """Give where a server takes mail."""
    host, port = serving.smtp
    return f"{host}:{port}"


def sendmail(*arguments: str, stdin: bytes = MAIL, cwd: Path | None = None) -> tuple[int, str]:
    """Run the command; gives its exit status and what it said on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "bindpost", "sendmail", *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        timeout=50,
        check=False,
    )
    assert done.stdout == b""
    return done.returncode, done.stderr.decode()


def newest(serving: Serving) -> tuple[Message, bytes]:
    """Give the newest message and its bytes."""
    message = serving.client.message("latest")
    return message, serving.client.raw(message.id)


@pytest.fixture
def script(tmp_path: Path) -> Callable[[Serving], Path]:
    """Give a function that makes the program /path/to/sendmail which sends to a server."""

    def make(serving: Serving) -> Path:
        path = tmp_path / "sendmail"
        command = [sys.executable, "-m", "bindpost", "sendmail", "--server", place(serving)]
        path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        path.chmod(0o755)
        return path

    return make


def run(*command: str | Path, stdin: bytes = b"", cwd: Path, **env: str) -> None:
    """Run a program; its failure is the test's."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, cwd=cwd, timeout=50, env=os.environ | env,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_a_message_is_sent(serve: Serve, tmp_path: Path) -> None:
    """Recipients of header and command line get it, Bcc is gone, a single dot is a line."""
    serving = serve().wait_ready()
    to = f"--server={place(serving)}"

    assert sendmail(to, "-t", "-i", "-f", "x@example.test", "d@example.test") == (0, "")

    message, raw = newest(serving)
    assert message.sender == "x@example.test"
    assert message.recipients == tuple(f"{name}@example.test" for name in "dbc")
    assert b"Bcc" not in raw
    assert raw.startswith(b"From: a@example.test\r\nTo: b@example.test\r\nSubject: Hello\r\nDate: ")
    assert raw.endswith(b"\r\n\r\n.\r\nHi\r\n")


def test_the_server_of_the_settings(serve: Serve, tmp_path: Path) -> None:
    """Without --server it is the first listener of the settings, a Unix socket too."""
    (tmp_path / "bindpost.toml").write_text("[[listener]]\nendpoint = 'unix:smtp.sock'\n")
    serving = serve(listen="").wait_ready()

    assert sendmail("-f", "", "b@example.test", cwd=tmp_path) == (0, "")

    message, _ = newest(serving)
    assert (message.sender, message.recipients) == ("", ("b@example.test",))


def test_8_bits_and_addresses_beyond_ascii(serve: Serve) -> None:
    """A server that has the extensions is asked for them; one that lacks SMTPUTF8 is not."""
    plain = serve("--personality", "plain").wait_ready()
    text = "To: jürgen@example.test\nSubject: ü\n\nü\n".encode()
    assert sendmail("--server", place(plain), "-t", "-F", "Jörg", stdin=text) == (0, "")
    message, raw = newest(plain)
    assert message.recipients == ("jürgen@example.test",)
    assert dict(message.envelope.parameters).keys() >= {"SMTPUTF8", "BODY"}
    assert raw.endswith("\r\n\r\nü\r\n".encode())

    ims = serve("--data", ":memory:").wait_ready()
    status, said = sendmail("--server", place(ims), "-t", stdin=text)
    assert (status, said) == (
        65,
        "bindpost: an address is not ASCII, and the server has no SMTPUTF8\n",
    )


def test_exit_statuses(serve: Serve, tmp_path: Path) -> None:
    """Each says what sysexits.h has for it, and one line says why."""
    (tmp_path / "bindpost.toml").write_text("[ims]\nRelayFlags = 8\nLocalDomains = ['here.test']\n")
    to = f"--server={place(serve().wait_ready())}"

    assert sendmail(to) == (64, "bindpost: there are no recipients; name them, or say -t\n")
    assert sendmail(to, "-t", stdin=b"\n") == (
        64,
        "bindpost: there are no recipients in To, Cc or Bcc\n",
    )
    assert sendmail("-bp")[0] == 64
    status, said = sendmail(to, "a@far.test", "b@here.test")
    assert (status, "<a@far.test>: 550" in said, "b@here" in said) == (67, True, False)
    status, said = sendmail("--server=127.0.0.1:1", "a@b")
    assert status == 75
    assert said.startswith("bindpost: sending to 127.0.0.1:1 failed: Connection refused; start")
    assert sendmail("--server=nowhere", "a@b")[0] == 64
    (tmp_path / "bindpost.toml").write_text("bad = 1\n")
    assert sendmail("a@b", cwd=tmp_path)[0] == 78


def test_a_message_that_is_refused(serve: Serve, tmp_path: Path) -> None:
    """A refusal of the message itself is none of its recipients."""
    (tmp_path / "bindpost.toml").write_text("[limits]\nmessage_size = 100\n")
    to = f"--server={place(serve().wait_ready())}"

    status, said = sendmail(to, "a@b", stdin=b"\n" + b"x" * 70 + b"\n" + b"y" * 70)

    assert status == 69
    assert "refused" in said


def test_a_dialog(serve: Serve) -> None:
    """With -bs a program speaks SMTP, and hears the server's replies."""
    serving = serve().wait_ready()
    done = subprocess.run(
        [sys.executable, "-m", "bindpost", "sendmail", "-bs", "--server", place(serving)],
        input=b"HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\r\nHi\r\n.\r\nQUIT\r\n",
        capture_output=True,
        timeout=50,
        check=True,
    )

    replies = [line[:3] for line in done.stdout.split(b"\r\n") if line]
    assert replies == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]
    assert newest(serving)[0].text == "Hi\r\n"


def test_help() -> None:
    """--help tells the options."""
    done = subprocess.run(
        [sys.executable, "-m", "bindpost", "sendmail", "--help"],
        capture_output=True, text=True, timeout=50, check=True,
    )  # fmt: skip

    assert "Usage: bindpost sendmail [OPTION]... [RECIPIENT]..." in done.stdout


def test_php(
    serve: Serve, script: Callable[[Serving], Path], program: Program, tmp_path: Path
) -> None:
    """PHP's mail() sends by it, with its own fifth argument."""
    serving = serve().wait_ready()
    code = (
        "exit(mail('Jane <jane@example.test>', 'Größe', \"Hi\\n.\\nthere\\n\","
        " ['From' => 'shop@example.test', 'Bcc' => 'boss@example.test'], '-fbounce@example.test')"
        " ? 0 : 1);"
    )

    run(program("php"), "-d", f"sendmail_path={script(serving)} -t -i", "-r", code, cwd=tmp_path)

    message, raw = newest(serving)
    assert message.sender == "bounce@example.test"
    assert message.recipients == ("jane@example.test", "boss@example.test")
    assert message.subject == "Größe"
    assert message.text == "Hi\r\n.\r\nthere\r\n\r\n", "the last line end is PHP's own"
    assert b"boss" not in raw


def test_git_send_email(
    serve: Serve, script: Callable[[Serving], Path], program: Program, tmp_path: Path
) -> None:
    """`git send-email` sends patches by it."""
    serving = serve().wait_ready()
    git = program("git")
    run(git, "init", "-q", ".", cwd=tmp_path)
    for name, value in [("user.name", "Jane"), ("user.email", "jane@example.test")]:
        run(git, "config", name, value, cwd=tmp_path)
    run(git, "commit", "-q", "--allow-empty", "-m", "First", cwd=tmp_path)
    (tmp_path / "file").write_text("one\n.\ntwo\n")
    run(git, "add", "file", cwd=tmp_path)
    run(git, "commit", "-q", "-m", "Add a file", cwd=tmp_path)

    run(
        git, "send-email", "--quiet", "--confirm=never", "--suppress-cc=all",
        f"--smtp-server={script(serving)}", "--to=list@example.test", "-1",
        cwd=tmp_path, GIT_CONFIG_GLOBAL=os.devnull,
    )  # fmt: skip

    message, raw = newest(serving)
    assert message.recipients == ("list@example.test",)
    assert message.subject == "[PATCH] Add a file"
    assert b"\r\n+.\r\n" in raw


def test_mail(
    serve: Serve, script: Callable[[Serving], Path], program: Program, tmp_path: Path
) -> None:
    """BSD's mail, which cron jobs and scripts use, sends by it."""
    serving = serve().wait_ready()
    (tmp_path / "rc").write_text(f"set sendmail={script(serving)}\n")

    run(
        program("bsd-mailx"), "-s", "Report", "-c", "copy@example.test", "root@example.test",
        stdin=b"All is well.\n", cwd=tmp_path, MAILRC=str(tmp_path / "rc"),
    )  # fmt: skip

    message, _ = newest(serving)
    assert set(message.recipients) == {"root@example.test", "copy@example.test"}
    assert (message.subject, message.text) == ("Report", "All is well.\r\n")
