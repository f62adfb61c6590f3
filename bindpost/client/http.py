"""Requests to a running server, by TCP, TLS or a Unix socket, and what its answers mean."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Final, TypeVar
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec

from ..errors import ServerUnreachableError
from .errors import MessageNotFoundError

API: Final = "/api/bindpost/v1"
_MESSAGES: Final = f"{API}/messages/"
_PAGE: Final = 1000
"""The most that the server gives at once of a list."""
_CHUNK: Final = 64 * 1024
_UNIX: Final = "unix:"
_T = TypeVar("_T")


class Api:
    """
    The server at a URL; the arguments are those of `Client`.

    Each request makes a connection of its own. Each method raises `ServerUnreachableError` when
    there is no usable answer, and `MessageNotFoundError` for a message that isn't there.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        *,
        token: str | None,
        tls: ssl.SSLContext | None,
        mailbox: str | None,
    ) -> None:
        self.url, userinfo = (url, None) if url.startswith(_UNIX) else _split(url)
        self._timeout = timeout
        self._tls = tls
        self._headers = {"Connection": "close"} | _authorization(userinfo, token)
        try:
            parts = urlsplit(self.url)
            usable = url.startswith(_UNIX) or (
                parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            )
        except ValueError:  # of the port, or of brackets
            usable = False
        if not usable:
            raise ServerUnreachableError(
                f"{self.url!r} is no server's URL; write http://HOST:PORT or unix:/path"
            )
        self._base = "" if url.startswith(_UNIX) else parts.path.rstrip("/")
        if mailbox == "":
            raise ServerUnreachableError("a mailbox has a name; without one, leave it out")
        if mailbox is not None:
            self._base += f"/mailbox/{quote(mailbox, safe='')}"

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        wait: float = 0.0,
        passing: tuple[int, ...] = (),
    ) -> tuple[int, bytes]:
        """Send a request as `answer` does; give the status and the whole body of its answer."""
        with self.answer(method, path, body, wait=wait, passing=passing) as response:
            return response.status, response.read()

    @contextmanager
    def answer(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        wait: float = 0.0,
        passing: tuple[int, ...] = (),
    ) -> Iterator[http.client.HTTPResponse]:
        """
        Send a request; give its answer, fine or `passing`, which is read inside the block.

        `body` is bytes, or what becomes JSON. `wait` is in seconds, on top of the usual ones.
        """
        with closing(self._connection(self._timeout + wait)) as connection:
            try:
                content = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
                connection.request(method, self._base + path, content, self._headers)
                with closing(connection.getresponse()) as response:  # it holds the socket, too
                    if response.status not in passing:
                        self._check(response, path)
                    yield response
            except TimeoutError:
                raise self._unusable(path, f"no answer in {self._timeout:g} seconds") from None
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise self._unusable(path, reason) from error

    def decode(self, method: str, path: str, kind: type[_T], body: object = None) -> _T:
        """Send a request, and read its answer."""
        return self.read(self.ask(method, path, body)[1], kind, path)

    def read(self, body: bytes, kind: type[_T], path: str) -> _T:
        """Read the body of an answer; `path` is what was asked for."""
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise self._unusable(path, f"the answer is none of bindpost's: {error}") from None

    def pieces(self, path: str, *, wait: float) -> Iterator[bytes]:
        """Send a request, and give its long answer in pieces."""
        with self.answer("GET", path, wait=wait) as response:
            while chunk := response.read(_CHUNK):
                yield chunk

    def _check(self, response: http.client.HTTPResponse, path: str) -> None:
        """Raise what an answer that is not fine means."""
        if 200 <= response.status < 300:
            return
        if response.status == 404 and _MESSAGES in path:
            raise self._missing(_id_in(path))
        if response.status == 401:
            raise ServerUnreachableError(
                f"{self.url} wants a login, and {self._offered}; put USER:PASSWORD@ before the "
                "host in its URL, or a token into BINDPOST_TOKEN"
            )
        text = response.read(500).decode("utf-8", "replace")
        raise ServerUnreachableError(
            f"asking {self.url} for {_plain(path)} gave {response.status}: {text}"
        )

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self.url.startswith(_UNIX):
            return _UnixConnection(self.url.removeprefix(_UNIX), timeout)
        parts = urlsplit(self.url)
        assert parts.hostname is not None  # __init__ has seen to it
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout, context=self._tls
            )
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)

    @property
    def _offered(self) -> str:
        return "refused this one" if "Authorization" in self._headers else "none was given"

    def _missing(self, message_id: str) -> MessageNotFoundError:
        if message_id == "latest":
            return MessageNotFoundError(f"{self.url} has no mail yet")
        return MessageNotFoundError(
            f"{self.url} has no message {message_id!r}; `bindpost mail list` shows its mail"
        )

    def _unusable(self, path: str, reason: str) -> ServerUnreachableError:
        return ServerUnreachableError(
            f"asking {self.url} for {_plain(path)} failed: {reason}; start a server with "
            "`bindpost serve`, or name the one that runs with --server URL"
        )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _split(url: str) -> tuple[str, str | None]:
    """Take the credentials out of a URL, whatever else is wrong with it."""
    scheme, slashes, rest = url.partition("://") if "://" in url else ("", "", url)
    userinfo, at, address = rest.rpartition("@")
    return f"{scheme}{slashes}{address}", userinfo if at else None


def _authorization(userinfo: str | None, token: str | None) -> dict[str, str]:
    """Give the Authorization field, if there is anything to log in with."""
    if userinfo is not None:
        name, _, password = userinfo.partition(":")
        pair = f"{unquote(name)}:{unquote(password)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if token is None:
        return {}
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise ServerUnreachableError("the token has characters that no token can have")
    return {"Authorization": f"Bearer {token}"}


def query(**values: str | float | Iterable[str] | None) -> str:
    """Give the query string: a value that is None is left out, one of several comes repeatedly."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in values.items()
        if value is not None
    }
    return f"?{urlencode(given, doseq=True)}"


def listed(
    limit: int,
    ask: Callable[[int, int | None], tuple[list[_T], int | None]],
    before: int | None = None,
) -> list[_T]:
    """
    Give a list that comes in pages, `limit` of it at most, 0 for all.

    `ask` gets how many are wanted, and the cursor before which they must be; it gives a page, and
    the next one's cursor.
    """
    found: list[_T] = []
    while True:
        page, before = ask(min(limit - len(found), _PAGE) if limit else _PAGE, before)
        found += page
        if before is None or len(found) == limit:
            return found


def message_path(message_id: str) -> str:
    """Give the path of a message, or of the newest for `latest`."""
    return f"{_MESSAGES}{quote(message_id, safe='')}"


def _plain(path: str) -> str:
    return path.partition("?")[0]


def _id_in(path: str) -> str:
    return path.partition(_MESSAGES)[2].partition("/")[0]
