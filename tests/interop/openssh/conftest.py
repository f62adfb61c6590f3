"""An sshd with keys of its own, a provider that can log in; both loops, and a home without keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.proxy.ssh.provider import SshProvider

from ...fixtures import both_loops as both_loops
from ...fixtures import quiet_home as quiet_home
from .bench import QUICK


@pytest.fixture
def sshd_files(program: Callable[[str], Path], tmp_path: Path) -> OpenSshServer:
    """The keys and files of an sshd that is not started."""
    return OpenSshServer(program("sshd"), program("ssh-keygen"), tmp_path)


@pytest.fixture
async def sshd(sshd_files: OpenSshServer) -> AsyncIterator[OpenSshServer]:
    """An sshd that a test starts as it wants."""
    yield sshd_files
    await sshd_files.stop()


@pytest.fixture
def provider(sshd: OpenSshServer) -> SshProvider:
    """A provider that can log in."""
    return SshProvider(sshd.settings(QUICK))
