"""
HTML mail in a frame of its own, and the parts of a message.

Nothing is taken out of the mail. What it may do is decided by the browser, under two rules that
the mail can't lift, since both stand in the answer's header and the first in the page as well:

* the sandbox: no scripts, no forms, no plug-ins, no refresh, an origin like no other, no hold of
  the page around it. What is allowed is opening a link in a new tab, which takes a click;
* the policy: styles that stand in the mail, images that it brings along, and nothing else.

Three things the policy doesn't reach, so the text is changed in three places: see `dress`.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import re
import secrets
from functools import partial
from typing import Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ..message.parse import ParsedMessage
from ..message.parts import find_leaf
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

_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")
_DOCTYPE: Final = re.compile(r"(?:\s|<!--.*?-->)*+<!doctype[^>]*+>", re.IGNORECASE | re.DOTALL)
_CID: Final = re.compile(r"\bcid:([^\s\"'<>()]{1,500})", re.IGNORECASE)
# A start tag begins with exactly these characters, however odd the rest of it is; where they are
# no tag (in a comment, a title, a value) the change does no harm: it has no quotes and no brackets.
_LINK_ELEMENT: Final = re.compile(r"<link(?=[\s/>])", re.IGNORECASE)
_ANCHOR: Final = re.compile(r"<(a|area)(?=[\s/>])", re.IGNORECASE)


class Frames:
    """The handlers. A link that loads remote images is signed, so that no mail can contain it."""

    def __init__(self, store: MessageStore, display: Display) -> None:
        self._store = store
        self._display = display
        self._key = secrets.token_bytes(32)

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/view/{id}/html", self.document),
            Route("/view/{id}/part/{part}", self.part),
        ]

    def remote_key(self, message_id: str) -> str:
        """Give what the query value `remote` must be for this message's remote images."""
        return hmac.new(self._key, message_id.encode(), hashlib.sha256).hexdigest()[:32]

    async def document(self, request: Request) -> Response:
        """Answer with the HTML form of a message, fit for a frame and harmless without one."""
        row = await row_of(self._store, request)
        message = await self._display.parsed(row.id)
        if message is None or not message.html:
            refuse("This message has no HTML part.", 404)
        given = request.query_params.get("remote", "")
        remote = hmac.compare_digest(given.encode(), self.remote_key(row.id).encode())
        own = _own_pictures(request.headers.get("host", ""), row.id)
        return HTMLResponse(dress(message), headers=frame_headers(own, remote=remote))

    async def part(self, request: Request) -> Response:
        """Answer with a part's decoded bytes: pictures to show, the rest to keep."""
        row = await row_of(self._store, request)
        wanted = request.path_params["part"]
        leaf = await self._display.looked_at(row.id, partial(find_leaf, part_id=wanted))
        if leaf is None:
            refuse_unknown()
        is_picture = leaf.content_type in _PICTURES
        name = quote(leaf.file_name or f"part-{wanted}", safe="")
        disposition = "inline" if is_picture and "dl" not in request.query_params else "attachment"
        headers = {
            "Content-Disposition": f"{disposition}; filename*=UTF-8''{name}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        if is_picture:  # the frame has no origin, so for the browser it is another site
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        kind = leaf.content_type if is_picture else "application/octet-stream"
        return Response(leaf.octets, media_type=kind, headers=headers)


def frame_headers(own: str, *, remote: bool) -> dict[str, str]:
    """Give the headers of the frame's document; `own` is where its pictures may come from."""
    pictures = f"data: {own}" + (" https: http:" if remote else "")
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; img-src {pictures}; style-src 'unsafe-inline'; font-src data:; "
            f"base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox {SANDBOX}"
        ),
        "X-Frame-Options": "SAMEORIGIN",
        "X-DNS-Prefetch-Control": "off",
    }


def _own_pictures(host: str, message_id: str) -> str:
    """
    Give the source of a message's own parts for the policy.

    Only the parts, so that no picture of a mail asks for anything else here. The policy's grammar
    has no IPv6 addresses; there it is the whole server.
    """
    return f"{host}/view/{message_id}/part/" if _HOST.fullmatch(host) else "'self'"


def dress(message: ParsedMessage) -> str:
    """
    Make a message's HTML form ready for its frame.

    `cid:` becomes the address of the part (RFC 2392). Links open in a new tab that knows nothing of
    this one: the first attribute of a name counts, so ours win. `<link>` becomes `<meta>`, which
    does nothing: its `preconnect` and `dns-prefetch` reach out without asking the policy.
    """
    parts = {
        part.content_id: part.part_id
        for part in (*message.inline, *message.attachments)
        if part.content_id
    }

    def place(match: re.Match[str]) -> str:
        part = parts.get(unquote(html.unescape(match[1])))
        return match[0] if part is None else f"part/{part}"

    text = _CID.sub(place, message.html)
    text = _LINK_ELEMENT.sub("<meta", text)
    text = _ANCHOR.sub(r"<\1 target=_blank rel=noreferrer", text)
    # Our own tags go behind the doctype: in front of it they would bring back the nineties.
    doctype = _DOCTYPE.match(text)
    start = doctype.end() if doctype else 0
    return f'{text[:start]}<base target="_blank">{text[start:]}'
