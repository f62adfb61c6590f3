"""A login at an SSH server, the port that is bound with it, and the peers' connections inside."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from typing import Final

import asyncssh

from .channel import ChannelSession
from .failures import Failures, HostKey, Progress, printable
from .hostkeys import KnownHost
from .request import ListenRequest
from .settings import Timing
from .wire import Wire

WINDOW: Final = 256 * 1024
"""
Bytes that a peer may send ahead of a protocol that has paused.

asyncssh's own 2 MiB would be memory for anybody to fill; this is enough for 2.5 MB/s at 100 ms.
"""
DEBUG_KEPT: Final = 8
_REQUEST_ERRORS: Final = (asyncssh.ChannelListenError, asyncssh.Error, ValueError)
"""What a request to listen ends with; ValueError is an answer that can't be read."""


class Answers(Enum):
    """Whether something answers at an address of the SSH host."""

    YES = "it takes a connection"
    NO = "it doesn't"
    UNKNOWN = "sshd makes no connection for us, or not in time"


OpenSession = Callable[[str, int, Callable[[ChannelSession], None]], ChannelSession]
"""Makes the session of a peer, from its address and port as the server gives them."""


class SshClient(asyncssh.SSHClient):
    """Judges the host key, notes how far the login has come, and when the connection is lost."""

    def __init__(self, known: KnownHost, progress: Progress) -> None:
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.debug: deque[str] = deque(maxlen=DEBUG_KEPT)
        self._known = known
        self._progress = progress
        self._connection: asyncssh.SSHClientConnection | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Note the connection, which knows the server's version before anybody asks."""
        self._connection = conn

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Say whether known_hosts has this key; asyncssh is told of no key in another way."""
        del host, addr, port  # looked up beforehand
        return self._note(key, self._known.judge(key))

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Say whether known_hosts has this key as one that may sign host certificates."""
        del host, addr, port
        return self._note(key, self._known.judge_authority(key))

    def _note(self, key: asyncssh.SSHKey, verdict: HostKey) -> bool:
        self._progress.host_key = verdict
        self._progress.fingerprint = f"{key.get_algorithm()} {key.get_fingerprint()}"
        return verdict is HostKey.TRUSTED

    def begin_auth(self, username: str) -> None:
        """Note that the server is the right one."""
        del username
        self._progress.authenticating = True

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> None:
        """Keep what sshd says beside its answers: the only place where it gives reasons."""
        del lang, always_display
        self.debug.append(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; asyncssh no longer tells the version afterwards."""
        self.note_version()
        if not self.lost.done():
            self.lost.set_result(exc)

    def note_version(self) -> None:
        """Note the server's version line if it has come."""
        if self._connection is not None:
            version = self._connection.get_extra_info("server_version", "")
            self._progress.version = printable(version)


class SshConnection:
    """
    A login. `listen` binds at most one port with it; each peer is a session of `open_session`.

    The end of the login is the end of its sessions, so `retire()` stops the listening and leaves
    the login to the sessions that live. What is told of the loss by `lost` is the first loss.
    """

    def __init__(
        self,
        connection: asyncssh.SSHClientConnection,
        client: SshClient,
        wire: Wire,
        *,
        address: str,
        version: str,
        timing: Timing,
    ) -> None:
        self.address = address
        self.version = version
        self._connection = connection
        self._client = client
        self._wire = wire
        self._timing = timing
        self._remote: asyncssh.SSHListener | None = None
        self._sessions: set[ChannelSession] = set()
        self._retiring: asyncio.Task[None] | None = None
        self._unlistened = False

    @property
    def debug(self) -> Sequence[str]:
        """The last debug messages of the server, since the last request if there was one."""
        return tuple(self._client.debug)

    @property
    def forbids_forwarding(self) -> bool:
        """Whether sshd has said that the key may not forward ports (`restrict`, for instance)."""
        options = [message for message in self.debug if "key options:" in message]
        return bool(options) and "port-forwarding" not in options[-1]

    async def probe(self, host: str, port: int) -> Answers:
        """Have the server connect to an address, and hang up."""
        try:
            async with asyncio.timeout(self._timing.request):
                _, writer = await self.connect(host, port)
        except asyncssh.ChannelOpenError as error:
            is_answer = error.code == asyncssh.OPEN_CONNECT_FAILED and not self._client.lost.done()
            return Answers.NO if is_answer else Answers.UNKNOWN
        except (asyncssh.Error, TimeoutError):
            return Answers.UNKNOWN
        writer.close()
        return Answers.YES

    async def connect(
        self, host: str, port: int
    ) -> tuple[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]]:
        """Have the server connect to an address. Raises `asyncssh.Error`."""
        return await self._connection.open_connection(host, port)

    async def lost(self) -> Exception | None:
        """Return when the connection is lost, with the reason."""
        return await asyncio.shield(self._client.lost)

    async def listen(
        self, request: ListenRequest, open_session: OpenSession, failures: Failures
    ) -> int:
        """
        Have the server listen; gives the port.

        Raises `BindError`; the login is then still there, unless it was lost. When cancelled, a
        port that was bound in the meantime is given back.
        """
        self._client.debug.clear()

        async def accept(host: str, port: int) -> asyncssh.SSHTCPSession[bytes]:
            return self._accept(open_session, host, port)

        asking = asyncio.ensure_future(
            self._connection.create_server(
                accept, request.host, request.endpoint.port, window=WINDOW
            )
        )
        try:
            async with asyncio.timeout(self._timing.request):
                remote = await asyncio.shield(asking)
        except _REQUEST_ERRORS as error:
            await asyncio.sleep(0)  # the loss of the connection is told after its requests' failure
            if self._client.lost.done():
                raise failures.lost("lost-in-request", self._client.lost.result()) from None
            if isinstance(error, asyncssh.ChannelListenError):
                raise failures.request(self.debug, self.version) from None
            raise failures.lost("lost-in-request", error) from None
        except TimeoutError:
            asking.cancel()
            raise failures.of("no-answer") from None
        except BaseException:
            await self._take_back(asking)
            raise
        self._remote = remote
        return remote.get_port()

    async def _take_back(self, asking: asyncio.Future[asyncssh.SSHListener]) -> None:
        """Wait for the answer to a request that nobody wants any more, so that it can be undone."""
        await asyncio.wait([asking], timeout=self._timing.unlisten)
        if not asking.done():
            asking.cancel()
        elif not asking.cancelled() and asking.exception() is None:
            self._remote = asking.result()
            await self._unlisten()

    def retire(self) -> None:
        """Listen no more; the connection goes when its last session has ended."""
        if self._retiring is None:
            self._retiring = asyncio.get_running_loop().create_task(self._retire())

    async def close(self) -> None:
        """End everything at once, sessions included; returns when the socket is gone."""
        self._connection.close()
        await self._connection.wait_closed()
        await self._wire.wait_closed()

    async def retired(self) -> None:
        """Return when nothing listens any more, and unless sessions live the connection is gone."""
        self.retire()
        assert self._retiring is not None
        await asyncio.shield(self._retiring)

    async def gone(self) -> None:
        """Return when the last session has ended, and the connection with it."""
        await self.retired()
        await self._wire.wait_closed()

    async def _retire(self) -> None:
        await self._unlisten()
        self._unlistened = True
        if not self._sessions:
            await self.close()

    async def _unlisten(self) -> None:
        if self._remote is not None:
            self._remote.close()
            with suppress(TimeoutError):  # of a server that is silent: the keepalives will find out
                async with asyncio.timeout(self._timing.unlisten):
                    await self._remote.wait_closed()
            self._remote = None

    def _accept(self, open_session: OpenSession, host: str, port: int) -> ChannelSession:
        """Make a peer's session; when that fails, this peer is refused, and the login goes on."""
        try:
            session = open_session(host, port, self._session_ended)
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a session could not be made", "exception": error}
            )
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_CONNECT_FAILED, "no session could be made"
            ) from None
        self._sessions.add(session)
        return session

    def _session_ended(self, session: ChannelSession) -> None:
        self._sessions.discard(session)
        if self._unlistened and not self._sessions:
            # Not from inside asyncssh, which is about to close the session's channel.
            asyncio.get_running_loop().call_soon(self._connection.close)
