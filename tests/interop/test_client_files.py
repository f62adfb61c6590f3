"""What is odd in the Proxy Client's files reaches the person: in the log, and in `check`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bindpost.testing import Serve

TOML = """
[[listener]]
endpoint = "127.0.0.1:0"
via = "lab"
{more}
[path.lab]
type = "winsock"
mspclnt = "mspclnt.ini"
wspcfg = "wspcfg.ini"
"""
ODD = [
    "mspclnt.ini, line 2: [Common] Prt is not known; ignored; did you mean port?",
    "wspcfg.ini, line 2: [MSEXCIMC] ServerBindTcpPort is not known (did you mean "
    "ServerBindTcpPorts?); ignored",
]


@pytest.fixture(params=["", 'proxy_protocol = true\nproxy_trusted = ["127.0.0.1"]'])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Give a folder with files in which two keys are misspelt, with and without a balancer."""
    (tmp_path / "bindpost.toml").write_text(TOML.format(more=request.param))
    (tmp_path / "mspclnt.ini").write_text("[Common]\nPrt=1745\n[msexcimc]\nDisable=1\n")
    (tmp_path / "wspcfg.ini").write_text("[MSEXCIMC]\nServerBindTcpPort=25\n")
    return tmp_path


def test_serve_logs_them_at_the_start(folder: Path, serve: Serve) -> None:
    """Each is a warning with listener, file and line, and the listener is bound all the same."""
    serving = serve("--config", str(folder / "bindpost.toml"), listen="").wait_ready()

    odd = [record for record in serving.records if record.get("EventID") == 168]

    assert [record["bindpost"]["reason"] for record in odd] == ODD
    assert {record["log"]["level"] for record in odd} == {"warning"}
    assert {record["bindpost"]["listener"] for record in odd} == {"127.0.0.1:0"}
    assert serving.stop() == 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_check_tells_them(folder: Path, form: str) -> None:
    """`bindpost check` lists them and does not fail for them."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bindpost", "check", "--config", folder / "bindpost.toml"),
            *(["--json"] if form == "json" else []),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=os.environ,
    )

    assert done.returncode == 0, done.stderr
    if form == "json":
        (verdict,) = json.loads(done.stdout)
        assert verdict["warnings"] == ODD
    else:
        assert [line.split(maxsplit=1)[1] for line in done.stdout.splitlines()[1:3]] == ODD


def test_check_tells_of_a_section_with_another_name(folder: Path) -> None:
    """A WSPCFG.INI that means another program is named in the decision."""
    (folder / "wspcfg.ini").write_text("[MSEXIMC]\nServerBindTcpPorts=25\n")
    (folder / "mspclnt.ini").write_text("[Servers Ip Addresses]\nName=proxy.invalid\n")

    done = subprocess.run(
        [sys.executable, "-m", "bindpost", "check", "--config", folder / "bindpost.toml"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 69
    assert "(wspcfg has [MSEXIMC], and no [msexcimc])" in done.stdout
