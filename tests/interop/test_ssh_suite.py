"""The ssh path on OpenSSH's own server passes the suite of all bind providers."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.provider import Hop, Listener, ProtocolFactory, Report
from bindpost.proxy.ssh.listener import SshListener
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.testing.providers import Bench, BindProviderSuite


class Remembering:
    """Binds through ssh, and knows which listeners it has made."""

    def __init__(self, provider: SshProvider) -> None:
        self.url = provider.url
        self._provider = provider
        self._made: list[SshListener] = []

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> Listener:
        """Bind, and remember."""
        listener = await self._provider.create_server(
            protocol_factory, endpoint, ssl=ssl, report=report
        )
        assert isinstance(listener, SshListener)
        self._made.append(listener)
        return listener

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Diagnose."""
        return await self._provider.diagnose(endpoint)

    async def deserted(self) -> None:
        """Wait for the logins that the suite's last sessions still have."""
        for listener in self._made:
            await listener.deserted()


class TestOpenSsh(BindProviderSuite):
    """The suite, through sshd."""

    @pytest.fixture
    async def bench(self, program: Callable[[str], Path], tmp_path: Path) -> AsyncIterator[Bench]:
        """Give a provider whose sshd runs."""
        sshd = OpenSshServer(program("sshd"), program("ssh-keygen"), tmp_path)
        await sshd.start("AllowTcpForwarding yes")
        provider = Remembering(SshProvider(sshd.settings()))
        yield Bench(provider, Endpoint.parse("127.0.0.1:0"))
        await provider.deserted()
        await sshd.stop()
