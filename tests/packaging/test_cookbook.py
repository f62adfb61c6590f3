"""The recipes of the documentation, extracted from their pages and run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bindpost.testing import Serving

Program = Callable[[str], Path]
FRAMEWORKS = {
    "test_django.py": ["django"],
    "test_flask.py": ["flask", "flask-mail"],
    "test_fastapi.py": ["fastapi", "httpx", "aiosmtplib"],
}
PYTEST = ["-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]


def recipes(page: str) -> dict[str, str]:
    """Give the files that a page shows, by name."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text("utf-8")
    return dict(re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def unpack(page: str, folder: Path) -> None:
    """Write the files of a page into a folder."""
    for name, content in recipes(page).items():
        (folder / name).write_text(content)


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    """Run a command; gives its output, or fails with it."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """Give a running server."""
    options = ["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data", ":memory:"]
    serving = Serving(options, folder=tmp_path)
    yield serving.wait_ready()
    serving.cleanup()


@pytest.fixture
def command_path(tmp_path: Path) -> str:
    """Give a search path in which the command bindpost is that of this environment."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def test_every_recipe_is_run() -> None:
    """The pages show no file that none of the tests here runs."""
    pytest_page = {"test_shop.py", "test_marked.py", "test_full_mailbox.py", "test_session.py"}
    assert recipes("pytest.md").keys() == pytest_page
    assert recipes("cookbook.md").keys() == {
        *FRAMEWORKS,
        *("mail.ini", "order.php", "wait.sh", "order.test.js", "sendmail"),
    }


def test_pytest(tmp_path: Path) -> None:
    """The examples of the plugin's page pass."""
    unpack("pytest.md", tmp_path)

    assert "6 passed" in run(sys.executable, *PYTEST, "-W", "error", cwd=tmp_path)


def test_php(serving: Serving, command_path: str, program: Program, tmp_path: Path) -> None:
    """PHP's mail() is sent with the setting shown, and the request shown finds it."""
    unpack("cookbook.md", tmp_path)
    host, port = serving.smtp
    env = {"PATH": command_path, "BINDPOST_LISTEN": f"{host}:{port}"}
    scan = {"PHP_INI_SCAN_DIR": f"{tmp_path}"}

    run(program("php"), "order.php", cwd=tmp_path, **env, **scan)

    program("curl")
    answer = json.loads(run("sh", "wait.sh", cwd=tmp_path, BINDPOST=serving.client.url))
    assert answer["envelope"]["reverse_path"] == "bounces@example.test"
    assert len(answer["envelope"]["recipients"]) == 2


def test_node(serving: Serving, program: Program, tmp_path: Path) -> None:
    """The test of a Node program passes."""
    unpack("cookbook.md", tmp_path)
    env = {"BINDPOST": serving.client.url, "SMTP_PORT": str(serving.smtp[1])}

    run(program("node"), "--test", cwd=tmp_path, NODE_PATH="/usr/share/nodejs", **env)

    assert len(serving.client.messages()) == 1


def test_the_script(serving: Serving, command_path: str, tmp_path: Path) -> None:
    """The script that is a path for sendmail sends."""
    unpack("cookbook.md", tmp_path)
    host, port = serving.smtp
    subprocess.run(
        ["sh", "sendmail", "root"],
        input=b"Subject: Report\n\n",
        cwd=tmp_path,
        env=os.environ | {"PATH": command_path, "BINDPOST_LISTEN": f"{host}:{port}"},
        timeout=50,
        check=True,
    )

    assert serving.client.message("latest").recipients == ("root",)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_frameworks(name: str, fresh_python: Path, tmp_path: Path) -> None:
    """The recipe of each framework passes with what its registry has, and our wheel."""
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--target", str(site)]
    run(*pip, *FRAMEWORKS[name], cwd=tmp_path)
    (tmp_path / name).write_text(recipes("cookbook.md")[name])

    assert "1 passed" in run(fresh_python, *PYTEST, name, cwd=tmp_path, PYTHONPATH=str(site))
