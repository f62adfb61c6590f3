"""HTTP connections of any bytes, to all of the web side: pages, APIs, WebSockets."""

from __future__ import annotations

from typing import Any, Final, cast

from bindpost.config.model import WebLimits
from bindpost.proxy.socket_listener import SocketListener
from bindpost.server.eventlog import FORMATS
from bindpost.server.faults import Faults
from bindpost.server.message.model import Envelope, Message, Recipient, SessionFacts, utc_now
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.memory_events import MemoryEventStore
from bindpost.server.web.app import Compatibility, create_app
from bindpost.server.web.http import Connections

from ..grammar import Grammar
from ..target import Target, chance_of, corpus, pieces_of
from ..wire import Wire

ID: Final = "0000000000000000000001"
MAIL: Final = (
    b"From: A <a@b>\r\nTo: c@d\r\nSubject: =?utf-8?q?h=C3=A9?=\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n"
    b'<p>Hi <a href="http://x.test/?code=1234">there</a></p>\r\n--x\r\n'
    b'Content-Type: image/png; name="a.png"\r\nContent-ID: <i>\r\n\r\nabc\r\n--x--\r\n'
)
FEW: Final = 10
"""Messages that may be there before an input; then all but the one are deleted."""
FIELDS: Final = [
    b"Host: localhost",
    b"Host: evil.test",
    b"Connection: close",
    b"Expect: 100-continue",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Transfer-Encoding: chunked",
    b"Content-Length: 2",
    b"Content-Length: -1",
    b"Content-Length: 99999999999",
    b"Accept-Encoding: gzip",
    b"Range: bytes=0-1",
    b"Origin: http://localhost",
    b"Cookie: mailbox=x",
    b"Authorization: Basic YTpi",
    b"Last-Event-ID: 1",
    b"If-None-Match: *",
    b"Content-Type: application/x-www-form-urlencoded",
    b"Content-Type: multipart/form-data; boundary=x",
    b"Accept: text/html",
]
BODIES: Final = [
    b'{"ids": ["%s"]}' % ID.encode(),
    b'{"IDs": [], "Read": true}',
    b'{"all": true}',
    b'{"read": true, "all": true}',
    b'{"search": "x"}',
    b'{"Tags": ["a"], "IDs": ["latest"]}',
    b"[]",
    b'{"From": {"Email": "a@b"}, "To": [{"Email": "c@d"}], "Text": "x"}',
    b"null",
    b'{"name": "\xff"}',
    b'{"name": "f", "stage": "rcpt", "action": {"type": "reply", "code": 450}}',
    b"5\r\nhello\r\n0\r\n\r\n",
    b"\x81\x83\0\0\0\0abc",
    b"\x88\x80\0\0\0\0",
    b"\x89\xfe\xff\xff\0\0\0\0",
    b"name=x&search=%ff&to=",
]
QUERIES: Final = [
    b"",
    b"",
    b"",
    b"?query=subject:h%20to:%22c%40d%22",
    b"?limit=0&start=-1",
    b"?after=0&before=9",
    b"?timeout=0&raw=1&subject_regex=(",
    b"?header=Subject:x&has_link=true",
    b"?part=rows&kind=to&sort=size",
    b"?format=evtx&id=4007,x",
    b"?tz=Europe/Berlin&query=after:2026-01-01",
    b"?dl=1&mailbox=x",
    b"?%ff=%00",
]
ENDS: Final = [b"\r\n"] * 3 + [b"\r\n\r\n"] * 3 + [b"\n", b""]


class HttpTarget(Target):
    """
    A connection is answered or closed, whatever it asks: by no 500, and by nothing that is no HTTP.

    Nothing outside can be asked for anything: there is no relay, no lab, no check of links.
    """

    name = "http"

    def __init__(self) -> None:
        self._faults = Faults()

    async def open(self) -> None:
        """Make the app, and take its connections in the place of a listener."""
        self._store = MemoryStore(remembered=100)
        self._events = MemoryEventStore(keep=10)
        app = create_app(
            self._store,
            ready=lambda: True,
            version="1",
            faults=self._faults,
            events=self._events,
            exports=FORMATS,
            compatibility=Compatibility(chaos=True, message_size=5000),
        )
        self._connections = Connections(app, WebLimits(), tls=None, handshake_timeout=60.0)
        await self._connections.take_from(cast("SocketListener", self))

    async def serve(self, factory: Any, _tls: object) -> None:
        """Take what makes the protocols of connections, as a listener does."""
        self._factory = factory

    @property
    def grammar(self) -> Grammar:
        """Requests to every route, fields, bodies; the heads of requests are words, too."""
        requests = [
            b"%s %s%s HTTP/1.1\r\nHost: localhost" % (method.encode(), path.encode(), query)
            for method, path in _routes()
            for query in QUERIES
        ]
        with_bodies = [
            b"%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
            % (method.encode(), path.encode(), len(body), body)
            for method, path in _routes()
            if method not in ("GET", "HEAD")
            for body in BODIES
        ]
        return Grammar(
            [*requests, *with_bodies, *FIELDS * 20, *BODIES * 10],
            ENDS,
            seeds=[path.read_bytes() for path in corpus(self.name)],
        )

    async def play(self, data: bytes) -> None:
        """Play a connection, as it was cut, to its end."""
        await self._play(pieces_of(data, chance_of(data)))

    async def play_every_way(self, data: bytes) -> None:
        """Play a connection as it was cut, whole, and in single bytes."""
        await self.play(data)
        for pieces in ([data], [data[place : place + 1] for place in range(len(data))]):
            await self._play(pieces)

    async def _play(self, pieces: list[bytes]) -> None:
        await self._stock()
        wire = Wire(self._factory())
        await wire.play(pieces)
        assert not wire.output or wire.output.startswith(b"HTTP/1.1 "), wire.output
        assert b"HTTP/1.1 500 " not in wire.output, wire.output

    async def serve_honestly(self) -> None:
        """See that the message is told of."""
        await self._stock()
        wire = Wire(self._factory())
        request = f"GET /api/v1/message/{ID}/raw HTTP/1.1\r\nHost: localhost\r\n"
        await wire.play([f"{request}Connection: close\r\n\r\n".encode()])
        assert wire.output.endswith(MAIL), wire.output

    async def close(self) -> None:
        """End the connections and the stores."""
        await self._connections.end(1.0)
        await self._store.close()
        await self._events.close()

    async def _stock(self) -> None:
        """Have one message there, not many, and no faults."""
        self._faults.clear()
        if (await self._store.count()).total > FEW:
            await self._store.delete(None)
        if await self._store.get(ID) is None:
            await self._store.add(_message(), ())


def _message() -> Message:
    facts = SessionFacts(
        session_id="s",
        started=utc_now(),
        listener="127.0.0.1:1025",
        via="direct:",
        personality="ims-5.5",
        peer="127.0.0.1:50123",
        helo="c",
        esmtp=True,
    )
    return Message(
        id=ID,
        received=utc_now(),
        envelope=Envelope("a@b", (Recipient("c@d"),)),
        session=facts,
        raw=MAIL,
    )


def _routes() -> list[tuple[str, str]]:
    """Give methods and paths of all routes, with something in the place of each name."""
    app = create_app(MemoryStore(), ready=lambda: True, version="1")
    names = {
        "{id}": ID,
        "{part}": "2",
        "{tag}": "a",
        "{name}": "f",
        "{number}": "0",
        "{cursor}": "1",
    }
    found = []
    for route in app.routes:
        path = getattr(route, "path", "")
        for name, value in names.items():
            path = path.replace(name, value)
        found += [(method, path) for method in sorted(getattr(route, "methods", None) or ["GET"])]
    return found


TARGET = HttpTarget
