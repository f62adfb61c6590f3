"""Turns octets of header fields and bodies into valid Unicode, whatever charset they claim."""

from __future__ import annotations

import codecs
import re
from typing import Final

from .headers import codec_of, decode, decode_encoded_words, to_text

# What mailers label with a charset's name and fill from a larger one (the Encoding Standard of
# WHATWG reads the web in the same way).
_REALLY: Final = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "shift_jis": "cp932",
    "iso-8859-8-i": "iso-8859-8",
}
_PIECE: Final = 256 * 1024
"""Bytes that are decoded at once; a thread that decodes lets no other run."""
MISFIT_LIMIT: Final = 100_000
"""Characters that may not fit their charset; each takes as long as a hundred that do."""
_NO_CHARSET: Final = ("", "us-ascii", "ascii", "unknown", "unknown-8bit", "x-unknown")

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]+")
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")


def decode_charset(octets: bytes, charset: str) -> str:
    """
    Read octets in a charset; never raises.

    What doesn't fit is shown as U+FFFD, an unknown charset is read as UTF-8. Octets that claim no
    charset or ASCII are UTF-8, or else what Windows mailers send unlabelled. Where more than
    `MISFIT_LIMIT` characters don't fit, the rest is read as UTF-8.
    """
    name = charset.strip().lower()
    if len(octets) > _PIECE:
        text = _decode_long(octets, name)
    else:
        text = to_text(octets) if name in _NO_CHARSET else decode(octets, _REALLY.get(name, name))
    return _SURROGATE.sub("\ufffd", text)


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode_long(octets: bytes, charset: str) -> str:
    if charset in _NO_CHARSET:
        charset = "utf-8" if _is_utf8(octets) else "cp1252"
    decoder = codecs.getincrementaldecoder(codec_of(_REALLY.get(charset, charset)))("replace")
    pieces = []
    misfits = 0
    for start in range(0, len(octets), _PIECE):
        if misfits > MISFIT_LIMIT:
            pieces.append(octets[start:].decode("utf-8", "replace"))
            break
        end = start + _PIECE
        pieces.append(decoder.decode(octets[start:end], final=end >= len(octets)))
        misfits += pieces[-1].count("\ufffd")
    return "".join(pieces)


def decode_field(value: bytes) -> str:
    """Read a header field's value: unfolded, stripped, encoded words left as they are."""
    return _SURROGATE.sub("\ufffd", to_text(_FOLD.sub(b"", value))).strip()


def decode_words(text: str) -> str:
    """Decode encoded words (RFC 2047) for display; each run of control characters is a space."""
    decoded = decode_encoded_words(text) if "=?" in text else text
    return _CONTROL.sub(" ", _SURROGATE.sub("\ufffd", decoded)).strip()
