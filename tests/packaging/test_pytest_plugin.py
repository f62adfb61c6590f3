"""The pytest plugin of a built wheel, in a fresh project with names like ours, by two workers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

CONFIG = "SENDER = 'shop@example.test'\n"
SERVER = """
import smtplib
from config import SENDER

def order(host, port, recipient):
    with smtplib.SMTP(host, port) as smtp:
        smtp.sendmail(SENDER, [recipient], "Subject: Your order\\r\\n\\r\\nThanks.\\r\\n")
"""
TESTS = """
import config, server, pytest

@pytest.mark.parametrize("number", range(20))
def test_own_server(bindpost, number):
    server.order(bindpost.host, bindpost.port, f"{number}@example.test")
    assert bindpost.wait_for(to=f"{number}@example.test").sender == config.SENDER
    assert len(bindpost.messages) == 1

@pytest.mark.parametrize("number", range(20))
def test_shared_server(bindpost_session, number, worker_id):
    server.order(bindpost_session.host, bindpost_session.port, f"{number}@example.test")
    (message,) = bindpost_session.messages
    assert message.recipients == (f"{number}@example.test",)
    print(f"worker {worker_id} port {bindpost_session.port}")

@pytest.mark.bindpost(via="winsock://127.0.0.1:1", on_bind_failure="continue")
def test_the_fault(bindpost):
    assert bindpost.events.wait_for(id=4007).strings == ("10050",)

def test_whose_modules_these_are():
    import bindpost.server, pathlib
    here = pathlib.Path(__file__).parent
    assert pathlib.Path(config.__file__).parent.parent == here
    assert pathlib.Path(server.__file__).parent.parent == here
    assert "site-packages" in bindpost.server.__file__
"""


@pytest.mark.timeout(240)  # as all that makes an environment
def test_a_fresh_project_in_four_processes(fresh_python: Path, tmp_path: Path) -> None:
    """Its own `config` and `server` stay its own, and each process has servers of its own."""
    for name, source in (("config", CONFIG), ("server", SERVER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(source)
    (tmp_path / "test_shop.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\nfilterwarnings = error\n")

    done = subprocess.run(
        [fresh_python, "-m", "pytest", "-n", "4", "-rP", "--strict-markers"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "42 passed" in done.stdout
    places = set(re.findall(r"^worker (gw[0-3]) port (\d+)$", done.stdout, re.MULTILINE))
    workers = {worker for worker, _ in places}
    assert len(workers) > 1
    assert len(workers) == len(places) == len({port for _, port in places})
