"""Reads the few header fields of a list row out of a message's bytes, fast, and never fails."""

from __future__ import annotations

import binascii
import re
from encodings.aliases import aliases
from typing import Final

import msgspec

HEADER_LIMIT: Final = 64 * 1024
"""Bytes of a message that are looked at. Sendmail's MaxHeadersLength is 32 KiB."""
FIELD_LIMIT: Final = 1000
"""Characters that are given of a field; RFC 5322, 2.1.1 allows 998 in a line."""
_ENCODED_LIMIT: Final = 8 * FIELD_LIMIT
"""Bytes of a field that are decoded: FIELD_LIMIT emoji in base64 words of 75 bytes fit."""

# Field lines and their continuations; ends before the first line that is neither. A first line
# "From ..." is mbox's. Possessive throughout, so the time is linear in the length.
_SECTION: Final = re.compile(
    rb"(?:>?From [^\n]*+\n)?+((?:(?:[!-9;-~]++[ \t]*+:|[ \t])[^\n]*+\n?+)*+)"
)
_NAMES: Final = (b"subject", b"from", b"to", b"cc", b"message-id", b"reply-to", b"x-tags")
# Led by the line break, whose search is a memchr.
_FIELD: Final = re.compile(
    rb"\n(%b)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)" % b"|".join(_NAMES), re.IGNORECASE
)
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")
# RFC 2047, section 2, with the language of RFC 2231, section 5. Spaces inside are against the
# rules and common.
_WORD: Final = re.compile(r"=\?([^?*\s]{1,40})(?:\*[^?\s]{0,40})?\?([bBqQ])\?([^?]*)\?=")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]+")
_UNSHOWABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

# Only what is named here is looked up: Python remembers each unknown name for ever, and knows
# codecs (idna, unicode_escape) that are no charsets.
_CHARSETS: Final = {name: name for name in (*aliases.values(), "koi8_r", "koi8_u")} | aliases


class HeaderFields(msgspec.Struct, frozen=True, gc=False):
    """The few header fields of a list row, decoded for display (RFC 2047); empty when absent."""

    subject: str = ""
    from_: str = ""
    to: str = ""
    cc: str = ""
    message_id: str = ""
    reply_to: str = ""
    x_tags: str = ""


def read_fields(raw: bytes) -> HeaderFields:
    """
    Read Subject, From, To, Cc, Message-ID, Reply-To and X-Tags; the first field of a name counts.

    Never raises. Looks at `HEADER_LIMIT` bytes, gives at most `FIELD_LIMIT` characters of a field,
    without controls (C0, DEL, C1) and lone surrogates. Lines may end in CRLF or LF.
    """
    section = _SECTION.match(raw, 0, HEADER_LIMIT)
    if section is None or section.start(1) == section.end(1):
        return HeaderFields()
    found: dict[bytes, bytes] = {}
    for field in _FIELD.finditer(b"\n" + section[1]):
        found.setdefault(field[1].lower(), field[2])
    return HeaderFields(*[_display(found[name]) if name in found else "" for name in _NAMES])


def _display(value: bytes) -> str:
    if len(value) <= FIELD_LIMIT and value.isascii() and b"=?" not in value:
        text = value.decode("ascii").strip()
        if text.isprintable():  # most fields: nothing is folded, encoded or odd
            return text
    text = to_text(_FOLD.sub(b" ", value[:_ENCODED_LIMIT]))
    if "=?" in text:
        text = decode_encoded_words(text)
    return _UNSHOWABLE.sub(" ", text).strip()[:FIELD_LIMIT]


def to_text(octets: bytes) -> str:
    """Read octets that name no charset: UTF-8 (RFC 6532), or else what Windows mailers sent."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


def decode_encoded_words(text: str) -> str:
    """
    Decode the encoded words in a text (RFC 2047, section 6).

    Not by email.header: that raises on bad base64, and its time is quadratic in hostile input.
    """
    parts: list[str] = []
    pending = b""  # a character may be cut in two by neighbouring words of one charset
    charset = ""
    end = 0
    for word in _WORD.finditer(text):
        between = text[end : word.start()]
        apart = end == 0 or bool(between.strip())
        if apart or word[1].lower() != charset:
            parts.append(decode(pending, charset))
            pending = b""
        if apart:
            parts.append(between)
        charset = word[1].lower()
        pending += _octets(word[2], word[3])
        end = word.end()
    return "".join([*parts, decode(pending, charset), text[end:]])


def _octets(encoding: str, text: str) -> bytes:
    octets = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(octets, header=True)
    digits = _NOT_BASE64.sub(b"", octets)
    if len(digits) % 4 == 1:  # six bits carry no byte
        digits = digits[:-1]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def decode(octets: bytes, charset: str) -> str:
    """Decode octets for display; unknown charsets count as UTF-8, bad bytes are replaced."""
    try:
        return octets.decode(_known(charset), "replace")
    except (LookupError, ValueError):  # no text encoding, or one that cannot replace
        return octets.decode("utf-8", "replace")


def codec_of(charset: str) -> str:
    """Give the name of the codec that `decode` reads a charset by."""
    known = _known(charset)
    try:
        b" ".decode(known, "replace")
    except (LookupError, ValueError):
        return "utf_8"
    return known


def _known(charset: str) -> str:
    return _CHARSETS.get(charset.replace("-", "_"), "utf_8")
