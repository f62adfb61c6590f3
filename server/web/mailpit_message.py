"""Mailpit's REST API: one message, its header, source and parts, and its bodies as pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from ..message.parse import ParsedMessage, parse
from ..store.store import MessageRow, MessageStore
from . import mailpit_objects as objects
from .display import Display, PartContent
from .frame import pieces_of
from .mailpit_search import row_asked
from .requests import bytes_of, refuse, refuse_unknown
from .responses import json_response

BLANK: Final = (Path(__file__).parent / "static" / "blank.jpg").read_bytes()
"""A white JPEG of 180x120 pixels, for what is no picture."""

_OCTETS: Final = "application/octet-stream"
_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,80}")
_CHARSET: Final = re.compile(r"[A-Za-z0-9_.:+-]{1,40}")
_CID: Final = re.compile(r"cid:([^\s\"'<>()]+)", re.IGNORECASE)
_LINK: Final = re.compile(r"<(?:a|area)(?=[\s/>])", re.IGNORECASE)
_PART_POLICY: Final = "default-src 'none'; sandbox"
_PAGE_POLICY: Final = (
    "default-src 'none'; img-src * data:; media-src * data:; font-src * data:; "
    "style-src * 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox; frame-ancestors {}"
)
"""What mail may do as a page: look as it does elsewhere, and run, send and frame nothing."""


class MailpitMessage:
    """The handlers."""

    def __init__(self, store: MessageStore, display: Display) -> None:
        self._store = store
        self._display = display

    def routes(self) -> list[Route]:
        """Give the routes."""
        own = "/api/v1/message/{id}"
        return [
            Route(own, self.message),
            Route(f"{own}/headers", self.headers),
            Route(f"{own}/raw", self.raw),
            Route(f"{own}/part/{{part}}", self.part),
            Route(f"{own}/part/{{part}}/thumb", self.thumb),
            Route("/view/{id}.html", self.html),
            Route("/view/{id}.txt", self.text),
        ]

    async def message(self, request: Request) -> Response:
        """Answer with a message, and mark it read."""
        row, parsed = await self._parsed(request)
        await self._store.mark([row.id], read=True)
        return json_response(objects.message(row, parsed))

    async def headers(self, request: Request) -> Response:
        """Answer with the header fields, names in Go's canonical form, values as they came."""
        _, parsed = await self._parsed(request)
        fields: dict[str, list[str]] = {}
        for field in parsed.headers:
            name = "-".join(word.capitalize() for word in field.name.split("-"))
            fields.setdefault(name, []).append(field.raw)
        return json_response(fields)

    async def raw(self, request: Request) -> Response:
        """Answer with the bytes as received; with `dl=1` as a file to keep."""
        row = await row_asked(self._store, request)
        raw = await bytes_of(self._store, row)
        response = Response(raw, media_type="text/plain; charset=utf-8")
        if request.query_params.get("dl") == "1":
            response.headers["Content-Disposition"] = f'attachment; filename="{row.id}.eml"'
        return response

    async def part(self, request: Request) -> Response:
        """Answer with the bytes of a part, as what it says it is; it can run nothing."""
        row = await row_asked(self._store, request)
        part = await self._display.part(row.id, request.path_params["part"])
        if part is None:
            refuse_unknown()
        kind = media_type(part)
        headers = {"Content-Type": kind, "Content-Disposition": inline(part.file_name)}
        if kind != "application/pdf":  # no browser shows one in a sandbox
            headers["Content-Security-Policy"] = _PART_POLICY
        return Response(part.content, headers=headers)

    async def thumb(self, request: Request) -> Response:
        """Answer with a white picture for what is none, and lead to a picture itself."""
        message_id, part_id = request.path_params["id"], request.path_params["part"]
        row = await self._store.get(message_id)
        part = None if row is None else await self._display.part(row.id, part_id)
        if part is None:
            refuse("There is no such part.")
        if media_type(part).startswith("image/"):
            return RedirectResponse(part_path(message_id, part_id), 302)
        disposition = {"Content-Disposition": inline(part.file_name)}
        return Response(BLANK, media_type="image/jpeg", headers=disposition)

    async def html(self, request: Request) -> Response:
        """Show the HTML form as it came, but for `cid:` links; mark the message read."""
        row = await row_asked(self._store, request)
        embedded = request.query_params.get("embed") == "1"
        markup = await self._display.read(row.id, partial(linked, row.id, embedded=embedded))
        if not markup:
            refuse("This message does not contain a HTML part", 404)
        await self._store.mark([row.id], read=True)
        return Response(markup, headers=_page_headers(embedded=embedded))

    async def text(self, request: Request) -> Response:
        """Show the plain text; mark the message read."""
        row, parsed = await self._parsed(request)
        await self._store.mark([row.id], read=True)
        return PlainTextResponse(parsed.text)

    async def _parsed(self, request: Request) -> tuple[MessageRow, ParsedMessage]:
        row = await row_asked(self._store, request)
        parsed = await self._display.parsed(row.id)
        return (row, parsed) if parsed is not None else refuse_unknown()


def media_type(part: PartContent) -> str:
    """Give the content type of a part if it is one, with its charset; octets otherwise."""
    kind = part.content_type if _TYPE.fullmatch(part.content_type) else _OCTETS
    if kind.startswith("text/") and _CHARSET.fullmatch(part.charset):
        return f"{kind}; charset={part.charset}"
    return kind


def inline(name: str) -> str:
    """Give the Content-Disposition of something shown in place, its name encoded (RFC 6266)."""
    return f"inline; filename=\"{quote(name, safe='')}\"; filename*=UTF-8''{quote(name, safe='')}"


def part_path(message_id: str, part_id: str) -> str:
    """Give the path of a part."""
    return f"/api/v1/message/{message_id}/part/{quote(part_id, safe='')}"


def _open_elsewhere(tag: re.Match[str]) -> str:
    return f'{tag[0]} target="_blank" rel="noreferrer noopener"'


def linked(message_id: str, raw: bytes, *, embedded: bool) -> str:
    """Give the HTML form with the paths of parts in place of `cid:` links; empty if none."""
    parsed = parse(raw)
    paths = {
        part.content_id: part_path(message_id, part.part_id)
        for part in (*parsed.attachments, *parsed.inline)
    }
    pieces = []
    for piece in pieces_of(parsed.html):
        shown = _CID.sub(lambda found: paths.get(found[1], found[0]), piece) if paths else piece
        pieces.append(_LINK.sub(_open_elsewhere, shown) if embedded else shown)
    return "".join(pieces)


def _page_headers(*, embedded: bool) -> Mapping[str, str]:
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _PAGE_POLICY.format("'self'" if embedded else "'none'"),
        "X-Frame-Options": "SAMEORIGIN" if embedded else "DENY",
    }
