"""The sshd_config and the authorized_keys of docs/ssh.md, with OpenSSH's own programs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from bindpost.proxy.local import free_port
from bindpost.proxy.ssh.openssh import OpenSshServer, make_privilege_folder
from bindpost.proxy.ssh.provider import SshProvider

from .bench import HERE, bound, refusal

PAGE = Path(__file__).parents[3] / "docs" / "ssh.md"


async def test_the_documented_key_line(sshd: OpenSshServer, provider: SshProvider) -> None:
    """The line of authorized_keys in docs/ssh.md permits that port, and nothing else."""
    found = re.search(
        r"^(restrict,\S+) ssh-ed25519", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found is not None
    endpoint = HERE.with_port(free_port())
    options = found[1].replace("127.0.0.1:2525", str(endpoint))
    keys = sshd.folder / "authorized_keys"
    keys.write_text(f"{options} {keys.read_text()}")
    await sshd.start()

    assert (await provider.diagnose(endpoint))[-1].ok
    async with bound(provider, endpoint) as listener:
        assert listener.addresses == (endpoint,)
    assert "PermitListen" in (await refusal(sshd, HERE.with_port(free_port()))).hint


def test_the_documented_configuration(
    sshd_files: OpenSshServer, program: Callable[[str], Path]
) -> None:
    """The sshd_config of docs/ssh.md is one that sshd takes."""
    found = re.search(r"```sshdconfig\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    config = sshd_files.folder / "documented"
    config.write_text(f"HostKey {sshd_files.folder}/host\n{found[1]}")
    make_privilege_folder()

    checked = subprocess.run(
        [program("sshd"), "-t", "-f", config], capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stderr) == (0, "")
