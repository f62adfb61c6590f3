"""
HTML mail in a frame of its own, and the parts of a message.

Nothing is taken out of the mail. What it may do is decided by the browser, under two rules that
the mail can't lift, since both stand in the answer's header and the first in the page as well:

* the sandbox: no scripts, no forms, no plug-ins, no refresh, an origin like no other, no hold of
  the page around it. What is allowed is opening a link in a new tab, which takes a click;
* the policy: styles that stand in the mail, pictures that it brings along, and nothing else. The
  pictures are put into the text as `data:`, so the frame asks for nothing, not even here.

Two things the policy doesn't reach, so the text is changed in a few places: see `dress`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
import secrets
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ..message.mime import Part, walk
from ..message.parse import content_id, parse
from ..store.store import MessageStore
from .display import Display
from .requests import refuse, refuse_unknown, row_of

SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"
"""
What the frame may do: open a tab, which without scripts only a click on a link does.

The tab is an ordinary one: with the frame's own restrictions few sites would work in it.
"""
_PICTURES: Final = frozenset(
    f"image/{kind}"
    for kind in ("png", "jpeg", "jpg", "pjpeg", "gif", "webp", "bmp", "x-icon", "avif")
)
"""Types that are shown in place; everything else comes as a file to keep."""
EMBEDDED: Final = 32 * 1024 * 1024
"""Characters of all pictures that are put into a text; a mail may name one picture many times."""

_PIECE: Final = 256 * 1024
"""Characters of HTML that are changed at once."""

_DOCTYPE: Final = re.compile(r"(?:\s|<!--.*?-->)*+<!doctype[^>]*+>", re.IGNORECASE | re.DOTALL)
_CID: Final = re.compile(r"\bcid:([^\s\"'<>()]{1,500})", re.IGNORECASE)
# A start tag begins with exactly these characters, however odd the rest of it is; where they are
# no tag (in a comment, a title, a value) the change does no harm: it has no quotes and no brackets.
_REACHING: Final = re.compile(r"<(?:link|i?frame|object|embed)(?=[\s/>])", re.IGNORECASE)
_ANCHOR: Final = re.compile(r"<a(?:rea)?(?=[\s/>])", re.IGNORECASE)


class Signature:
    """Signs the link that loads a message's remote images, so that no mail can contain it."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, message_id: str) -> str:
        """Give what the query value `remote` must be for this message."""
        return hmac.new(self._key, message_id.encode(), hashlib.sha256).hexdigest()[:32]


class Frames:
    """The handlers."""

    def __init__(self, store: MessageStore, display: Display, signature: Signature) -> None:
        self._store = store
        self._display = display
        self._signature = signature

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/view/{id}/html", self.document),
            Route("/view/{id}/part/{part}", self.part),
        ]

    async def document(self, request: Request) -> Response:
        """Answer with the HTML form of a message, fit for a frame and harmless without one."""
        row = await row_of(self._store, request)
        text = await self._display.read(row.id, dress)
        if not text:
            refuse("This message has no HTML part.", 404)
        given = request.query_params.get("remote", "")
        remote = hmac.compare_digest(given.encode(), self._signature.of(row.id).encode())
        return HTMLResponse(text, headers=frame_headers(remote=remote))

    async def part(self, request: Request) -> Response:
        """Answer with a part's decoded bytes: pictures to show, the rest to keep."""
        row = await row_of(self._store, request)
        wanted = request.path_params["part"]
        part = await self._display.part(row.id, wanted)
        if part is None:
            refuse_unknown()
        is_picture = part.content_type in _PICTURES
        name = quote(part.file_name or f"part-{wanted}", safe="")
        headers = {
            "Content-Disposition": (
                f"{'inline' if is_picture else 'attachment'}; filename*=UTF-8''{name}"
            ),
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        kind = part.content_type if is_picture else "application/octet-stream"
        return Response(part.content, media_type=kind, headers=headers)


def frame_headers(*, remote: bool) -> dict[str, str]:
    """Give the headers of the frame's document."""
    pictures = "data: https: http:" if remote else "data:"
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; img-src {pictures}; style-src 'unsafe-inline'; font-src data:; "
            f"base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox {SANDBOX}"
        ),
        "X-Frame-Options": "SAMEORIGIN",
        "X-DNS-Prefetch-Control": "off",
    }


def dress(raw: bytes) -> str:
    """
    Make a message's HTML form ready for its frame; empty if it has none.

    Links open in a new tab that knows nothing of this one: the first attribute of a name counts, so
    ours win. `<link>`, frames and objects become `<meta>`, which does nothing: `preconnect` never
    asks the policy, and for a frame Chromium connects before it does. `cid:` becomes the picture
    itself (RFC 2392).

    May take seconds, so run it in an executor.
    """
    text = parse(raw).html
    if not text:
        return ""
    album = _Album(raw)
    text = "".join(_dress(piece, album) for piece in pieces_of(text))
    # Our own tag goes behind the doctype: in front of it, it would bring back the nineties.
    doctype = _DOCTYPE.match(text)
    start = doctype.end() if doctype else 0
    return f'{text[:start]}<base target="_blank">{text[start:]}'


def pieces_of(text: str) -> Iterator[str]:
    """Cut a text in front of tags: a thread that is in a pattern lets no other run."""
    start = 0
    while start < len(text):
        end = text.find("<", start + _PIECE)
        end = len(text) if end == -1 else end
        yield text[start:end]
        start = end


def _dress(piece: str, album: _Album) -> str:
    piece = _REACHING.sub("<meta", piece)
    # A function is three times as fast as a template.
    piece = _ANCHOR.sub(lambda found: f"{found[0]} target=_blank rel=noreferrer", piece)
    return _CID.sub(album.place, piece) if album else piece


class _Album:
    """The pictures of a message by their Content-ID, each encoded once, up to the limit."""

    def __init__(self, raw: bytes) -> None:
        self._parts: dict[str, Part] = {}
        for part in walk(raw):
            if part.content_type[0] in _PICTURES and not part.is_container:
                self._parts.setdefault(content_id(part), part)
        self._encoded: dict[str, str] = {}
        self._left = EMBEDDED

    def __bool__(self) -> bool:
        return bool(self._parts)

    def place(self, match: re.Match[str]) -> str:
        """Give the picture that a `cid:` means; the `cid:` itself if there is none, or no room."""
        name = unquote(html.unescape(match[1]))
        part = self._parts.get(name)
        if part is None:
            return match[0]
        if name not in self._encoded:
            digits = base64.b64encode(part.decoded()).decode("ascii")
            self._encoded[name] = f"data:{part.content_type[0]};base64,{digits}"
        if len(self._encoded[name]) > self._left:
            return match[0]
        self._left -= len(self._encoded[name])
        return self._encoded[name]
