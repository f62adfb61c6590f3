"""The ssh path on OpenSSH's own server passes the suite of all bind providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.testing.providers import Bench, BindProviderSuite


class TestOpenSsh(BindProviderSuite):
    """The suite, through sshd."""

    @pytest.fixture
    async def bench(self, program: Callable[[str], Path], tmp_path: Path) -> AsyncIterator[Bench]:
        """Give a provider whose sshd runs."""
        sshd = OpenSshServer(program("sshd"), program("ssh-keygen"), tmp_path)
        await sshd.start("AllowTcpForwarding yes")
        yield Bench(SshProvider(sshd.settings()), Endpoint.parse("127.0.0.1:0"))
        await sshd.stop()
