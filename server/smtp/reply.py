"""Reply: what the server says to a command, a code and lines of text (RFC 5321, 4.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

MAX_LINE: Final = 510
"""Octets of one reply line without its CRLF (RFC 5321, 4.5.3.1.5: 512 with it)."""


@dataclass(slots=True)
class Reply:
    """
    One reply: a three-digit code and its text, one string a line.

    It goes to the wire in a single write, whatever its number of lines. Its bytes are made once, as
    most replies are said again and again. Nobody changes one.
    """

    code: int
    lines: tuple[str, ...]
    _encoded: bytes = field(default=b"", init=False, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reply from its text form, lines separated by CRLF, without the last one."""
        lines = text.split("\r\n")
        return cls(int(lines[0][:3]), tuple(line[4:] for line in lines))

    @property
    def text_lines(self) -> list[str]:
        """The lines as they go out, without their CRLF."""
        if len(self.lines) == 1:
            return [f"{self.code} {self.lines[0]}"]
        last = len(self.lines) - 1
        return [
            f"{self.code}{'-' if index < last else ' '}{line}"
            for index, line in enumerate(self.lines)
        ]

    def encode(self) -> bytes:
        """
        Give the bytes for the wire.

        Each line is cut at `MAX_LINE` octets, and no line break or NUL that slipped into a text
        gets through, so that nothing a client sent can end a reply early or forge another.
        """
        if not self._encoded:
            if len(self.lines) == 1:
                self._encoded = _clean(f"{self.code} {self.lines[0]}")
            else:
                self._encoded = b"".join(map(_clean, self.text_lines))
        return self._encoded

    @property
    def is_positive(self) -> bool:
        """Whether the command succeeded or goes on (2yz, 3yz)."""
        return self.code < 400


def _clean(line: str) -> bytes:
    return line.encode("utf-8", "replace").translate(None, b"\r\n\0")[:MAX_LINE] + b"\r\n"
