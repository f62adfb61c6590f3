"""The POP3 service: binds by any bind path, runs the sessions, and ends them."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final, Self, final

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Pop3 as Pop3Settings
from bindpost.config.model import Settings
from bindpost.errors import BindError
from bindpost.log import get_logger
from bindpost.proxy.provider import BindProvider, Listener, ListenerState
from bindpost.proxy.registry import provider_for

from ..handshake import explain
from ..logins import Users, read_users
from ..mailboxes import Keys
from ..store.store import SharedStore
from .line import HandshakeError, Line
from .session import Session, Surroundings

_LOG: Final = get_logger("bindpost.pop3")


@final
class Pop3Server:
    """
    A POP3 server for the inbox.

    It is bound once, by `start`. A path that is lost is bound again by its provider, if that does
    so; the log tells.
    """

    def __init__(
        self,
        settings: Pop3Settings,
        provider: BindProvider,
        *,
        users: Users | None,
        tls_context: ssl.SSLContext | None,
        hostname: str,
        handshake_timeout: float,
        keys: Keys | None = None,
    ) -> None:
        self._settings = settings
        self._handshake_timeout = handshake_timeout
        self._provider = provider
        self._users = users
        self._keys = keys or Keys()
        self._tls_context = None if settings.tls == "off" else tls_context
        self._hostname = hostname
        self._store: SharedStore
        self._bound: Listener | None = None
        self._live: dict[asyncio.Task[None], tuple[Line, Session]] = {}
        self._is_lost = False
        self._stopping = False

    @classmethod
    def load(
        cls,
        settings: Settings,
        *,
        folder: Path,
        tls_context: ssl.SSLContext | None,
        hostname: str,
        keys: Keys | None = None,
    ) -> Self | None:
        """
        Make it from the settings, None when it is off; binds nothing.

        `keys` are those of mailboxes. Raises `ConfigError`.
        """
        pop3 = settings.pop3
        if pop3.endpoint == "off":
            return None
        return cls(
            pop3,
            provider_for(pop3.via, settings, folder),
            users=read_users(folder / pop3.users, key="pop3.users") if pop3.users else None,
            tls_context=tls_context,
            hostname=hostname,
            handshake_timeout=settings.limits.handshake_timeout,
            keys=keys,
        )

    async def start(self, store: SharedStore) -> None:
        """Bind and serve. Raises `BindError`, after it is logged."""
        self._store = store
        try:
            self._bound = await self._provider.create_server(
                self._make_line,
                Endpoint.parse(self._settings.endpoint),
                report=self._changed,
            )
        except BindError as error:
            _LOG.error(events.POP3_FAILED, **error.fields())
            raise
        self._tell_bound()

    @property
    def addresses(self) -> list[Endpoint]:
        """Where clients connect."""
        return [] if self._bound is None else list(self._bound.addresses)

    async def stop(self, grace: float) -> None:
        """Take nobody any more, end idle sessions, and the others after `grace` seconds."""
        self._stopping = True
        if self._bound is not None:
            self._bound.close()
        for task, (_, session) in list(self._live.items()):
            if not session.in_command:
                task.cancel()
        if self._live:
            await asyncio.wait(self._live, timeout=grace)
        for task, (line, _) in list(self._live.items()):
            line.abort()
            task.cancel()
        await asyncio.gather(*self._live, return_exceptions=True)
        if self._bound is not None:
            await self._bound.wait_closed()

    @property
    def _tls_first(self) -> ssl.SSLContext | None:
        return self._tls_context if self._settings.tls == "implicit" else None

    def _make_line(self) -> Line:
        return Line(
            self._begin,
            timeout=self._settings.timeout,
            handshake_timeout=self._handshake_timeout,
            tls_first=self._tls_first,
        )

    def _begin(self, line: Line) -> None:
        session = Session(
            line,
            Surroundings(
                store=self._store,
                hostname=self._hostname,
                listener=self._settings.endpoint,
                users=self._users,
                keys=self._keys,
                tls_context=None if self._tls_first else self._tls_context,
            ),
        )
        task = asyncio.get_running_loop().create_task(self._serve(line, session))
        self._live[task] = line, session
        task.add_done_callback(self._live.pop)

    async def _serve(self, line: Line, session: Session) -> None:
        """Run a session to its end; whatever it fails of, the others go on."""
        try:
            if not self._stopping and len(self._live) <= self._settings.sessions:
                if self._tls_first:
                    await line.end_handshake()
                await session.run()
            elif self._tls_first:
                line.abort()  # a handshake would keep it here for its time
            else:
                await session.refuse(
                    "[SYS/TEMP] there are too many sessions, or it is shutting down"
                )
        except HandshakeError as error:
            self._report_handshake(line, error.__cause__)
        except Exception as error:
            _LOG.exception(
                events.POP3_ERROR,
                listener=self._settings.endpoint,
                peer=line.peer,
                error=repr(error),
            )
        finally:
            await line.close()

    def _report_handshake(self, line: Line, error: BaseException | None) -> None:
        _LOG.info(
            events.TLS_FAILED,
            **explain(error)._asdict(),
            error=repr(error),
            listener=self._settings.endpoint,
            peer=line.peer,
        )

    def _changed(self, state: ListenerState, error: BindError | None) -> None:
        """Tell of a path that was lost, or is back."""
        if error is not None and not self._is_lost:
            self._is_lost = True
            _LOG.error(events.POP3_FAILED, **error.fields())
        elif state is ListenerState.LISTENING and self._is_lost:
            self._is_lost = False
            self._tell_bound()

    def _tell_bound(self) -> None:
        _LOG.info(
            events.POP3_BOUND,
            addresses=[str(address) for address in self.addresses],
            via=self._provider.url,
            endpoint=self._settings.endpoint,
        )
