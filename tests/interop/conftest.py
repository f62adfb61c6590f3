"""Starts bindpost as its own process, as users do, and talks to it from outside."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from bindpost.proxy.socks.dante import Dante
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.testing import Serve, Serving


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start `bindpost serve` on free ports; whatever still runs at the end is ended by its pid."""
    started: list[Serving] = []

    def start(*arguments: str, listen: str = "127.0.0.1:0", prefix: Sequence[str] = ()) -> Serving:
        defaults = ["--web", "127.0.0.1:0", "--data", str(tmp_path / "data")]
        if listen:
            defaults += ["--listen", listen]
        serving = Serving([*defaults, *arguments], folder=tmp_path, prefix=prefix)
        started.append(serving)
        return serving

    yield start
    for serving in started:
        serving.cleanup()


@pytest.fixture
def dante(program: Callable[[str], Path], tmp_path: Path) -> Iterator[Dante]:
    """A Dante that is not started yet."""
    made = Dante(program("danted"), tmp_path)
    yield made
    made.kill()


class Sshd:
    """An OpenSshServer for tests that run on no loop."""

    def __init__(self, server: OpenSshServer, portal: BlockingPortal) -> None:
        self.server = server
        self._portal = portal

    def start(self, *options: str) -> None:
        """Start it with these lines of sshd_config."""
        self._portal.call(self.server.start, *options)

    def kill(self) -> None:
        """Kill it and its logins."""
        self._portal.call(self.server.stop)

    @property
    def table(self) -> str:
        """The lines of a `[path.*]` table with which a login works."""
        settings = self.server.settings()
        return (
            f"type = 'ssh'\nhost = '{settings.host}'\nport = {settings.port}\n"
            f"user = '{settings.user}'\nkey = '{settings.key}'\n"
            f"known_hosts = '{settings.known_hosts}'\n"
        )


@pytest.fixture
def sshd(program: Callable[[str], Path], tmp_path: Path) -> Iterator[Sshd]:
    """An sshd that is not started yet."""
    folder = tmp_path / "sshd"
    folder.mkdir()
    with start_blocking_portal() as portal:
        made = Sshd(OpenSshServer(program("sshd"), program("ssh-keygen"), folder), portal)
        yield made
        made.kill()
