"""Grammar: a POP3 command line taken apart (RFC 1939, section 3; RFC 2449, section 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

LINE_LIMIT: Final = 512
"""Octets of a command line, CRLF included. RFC 2449, 4 asks for 255; a long address needs more."""

_LINE: Final = re.compile(rb"([A-Za-z]{1,10})(?: (.*))?", re.DOTALL)
_UNCLEAN: Final = re.compile(r"[\x00-\x1f\x7f]")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")


class CommandError(Exception):
    """A command is refused; the text is what follows `-ERR`."""


@dataclass(frozen=True, slots=True)
class Command:
    """
    A command line.

    `verb` is in capitals. `argument` is what stands behind the first space, as it came: a password
    may have spaces in it, at its ends too.
    """

    verb: str
    argument: bytes

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Take a line apart, its end included or not. Raises `CommandError`."""
        found = _LINE.fullmatch(line.removesuffix(b"\n").removesuffix(b"\r"))
        if found is None:
            raise CommandError("that is no command")
        return cls(found[1].decode("ascii").upper(), found[2] or b"")

    def words(self, least: int, most: int) -> list[str]:
        """Give the argument's words, so many of them. Raises `CommandError`."""
        words = self.text().split()
        if not least <= len(words) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            raise CommandError(f"{self.verb} takes {wanted} arguments")
        return words

    def text(self) -> str:
        """Give the argument as a text without control characters. Raises `CommandError`."""
        try:
            text = self.argument.decode("utf-8")
        except UnicodeDecodeError:
            raise CommandError("the argument is not UTF-8") from None
        if _UNCLEAN.search(text):
            raise CommandError("the argument has control characters in it")
        return text


def number(word: str) -> int:
    """Give a number of up to ten digits. Raises `CommandError`."""
    if not _NUMBER.fullmatch(word):
        raise CommandError("that is no number")
    return int(word)
