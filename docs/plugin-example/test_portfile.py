"""The plug-in passes the suite that every bind provider passes."""

import socket
from pathlib import Path

import pytest
from bindpost_portfile import PortFileProvider

from bindpost.config.endpoint import Endpoint
from bindpost.testing.providers import Bench, BindProviderSuite


class TestPortFile(BindProviderSuite):
    """The suite, over this provider."""

    @pytest.fixture
    async def bench(self, tmp_path: Path) -> Bench:
        """Give the provider on trial."""
        return Bench(PortFileProvider(tmp_path / "port"), Endpoint.parse("127.0.0.1:0"))


async def test_the_file_tells_the_port(tmp_path: Path) -> None:
    """A peer finds the port in the file, and no file after the end."""
    file = tmp_path / "port"
    listener = await PortFileProvider(file).create_server(
        lambda: pytest.fail("nobody talks"), Endpoint.parse("127.0.0.1:0")
    )
    port = int(file.read_text())

    assert port == listener.addresses[0].port
    listener.close()
    await listener.wait_closed()
    assert not file.exists()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))
