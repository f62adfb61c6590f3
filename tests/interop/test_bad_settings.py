"""Bad settings end the start with status 78 and one line that names the key; never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

CASES = {
    "unknown-key": ("personalty = 'plain'", "personalty"),
    "unknown-table-key": ("[limits]\nrecipient = 5", "limits.recipient"),
    "wrong-type": ("[limits]\nrecipients = 'many'", "limits.recipients"),
    "out-of-range": ("[ims]\nRelayFlags = 16", "ims.RelayFlags"),
    "not-toml": ("personality = plain\n", "line 1"),
    "bad-endpoint": ("[[listener]]\nendpoint = '1025'", "listener[0].endpoint"),
    "unknown-personality": ("personality = 'sendmail'", "personality"),
    "unknown-path": ("[[listener]]\nendpoint = '127.0.0.1:0'\nvia = 'nowhere'", "via"),
    "bad-mask": ("[ims]\nRejectHosts = ['10.0.0.300']", "ims.RejectHosts"),
    "no-certificate": ("[tls]\ncertificate = 'none.pem'", "tls.certificate"),
    "no-client-ca": ("[tls]\ncertificate = 'self-signed'\nclient_ca = 'x'", "tls.client_ca"),
    "nobody-to-sign": (
        "[[listener]]\nendpoint = '127.0.0.1:0'\nclient_certificates = 'required'",
        "listener[0].client_certificates",
    ),
    "no-users-file": ("[auth]\nusers = 'none'", "auth.users"),
    "no-client-file": (
        "[[listener]]\nendpoint = '127.0.0.1:0'\nvia = 'lab'\n"
        "[path.lab]\ntype = 'winsock'\nmspclnt = 'none.ini'",
        "none.ini",
    ),
}


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start the service and give its end."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "bindpost",
            "serve",
            "--web",
            "off",
            "--data",
            ":memory:",
            *arguments,
        ],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(("text", "named"), CASES.values(), ids=CASES)
def test_bad_file(tmp_path: Path, text: str, named: str) -> None:
    """Each bad file is refused by name, on one line."""
    (tmp_path / "bindpost.toml").write_text(text)

    done = start(tmp_path)

    assert done.returncode == 78
    assert named in done.stderr
    assert done.stderr.startswith("bindpost: ")
    assert done.stderr.count("\n") == 1


def test_unreadable_file(tmp_path: Path) -> None:
    """A file that can't be read is refused by name."""
    done = start(tmp_path, "--config", str(tmp_path))

    assert done.returncode == 78
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr


def test_unusable_data_folder(tmp_path: Path) -> None:
    """A data folder that can't be one is refused by name."""
    (tmp_path / "file").touch()

    done = start(tmp_path, "--data", str(tmp_path / "file"))

    assert done.returncode != 0
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr


def test_usage(tmp_path: Path) -> None:
    """An unknown option is a usage error, status 2."""
    assert start(tmp_path, "--nonsense").returncode == 2
