"""What is wrong with a personality beyond types: what it would say wrongly, or could not say."""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from .occasions import ALWAYS, OCCASIONS, Occasion
from .reply import MAX_LINE
from .sasl import MECHANISMS

if TYPE_CHECKING:
    from .personality import Personality, ReplyText

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PARAMETER: Final = re.compile(r"[A-Z0-9][A-Z0-9-]*")
_KEYWORD_LINE: Final = re.compile(r"[!-~]+( [!-~]+)*")
_TEXT: Final = re.compile(r"[\t -~]*")
"""RFC 5321, 4.2: textstring."""
_CODE: Final = range(200, 600)


def problems_of(words: Personality) -> Iterator[tuple[str, str]]:
    """Give what is wrong, each with its key; a sentence that says what to do."""
    if not _NAME.fullmatch(words.name):
        yield "name", f"{words.name!r} is no name; write letters, digits, and . _ - between them"
    for line in words.extensions:
        yield from (("extensions", problem) for problem in _of_keyword(line))
    for key in ("mail_parameters", "rcpt_parameters"):
        for parameter in getattr(words, key):
            if not _PARAMETER.fullmatch(parameter):
                yield key, f"{parameter!r} is no parameter; write its name alone, in capitals"
    for mechanism in words.auth_mechanisms:
        if mechanism not in MECHANISMS:
            known = ", ".join(sorted(MECHANISMS))
            yield "auth_mechanisms", f"there is no mechanism {mechanism!r}; there are {known}"
    needed = occasions_of(words)
    for name in OCCASIONS:
        if name in needed and name not in words.reply:
            yield f"reply.{name}", 'has no words; give it some, or say extends = "plain"'
    for table, replies in (("reply", words.reply), ("lmtp", words.lmtp)):
        for name, reply in replies.items():
            yield from _of_reply(table, name, reply)


def occasions_of(words: Personality) -> set[str]:
    """Give the occasions for which a personality must have words; for others it may."""
    return {
        name
        for name, one in OCCASIONS.items()
        if not one.extensions or any(map(words.offers, one.extensions))
    }


def _of_keyword(line: str) -> Iterator[str]:
    if not _KEYWORD_LINE.fullmatch(line):
        yield f"{line!r} is no keyword line; write printable ASCII, one blank between words"
    yield from _of_fields(line, ("size", "recipients"))


def _of_reply(table: str, name: str, reply: ReplyText) -> Iterator[tuple[str, str]]:
    key = f"{table}.{name}"
    occasion = OCCASIONS.get(name)
    if occasion is None:
        near = difflib.get_close_matches(name, OCCASIONS, n=1)
        hint = f"did you mean {near[0]}?" if near else "docs/personalities.md lists them"
        yield key, f"there is no such occasion; {hint}"
        return
    if problem := _of_code(reply.code, occasion):
        yield f"{key}.code", problem
    for problem in _of_text(reply.text, occasion):
        yield f"{key}.text", problem


def _of_code(code: int, occasion: Occasion) -> str:
    if code not in _CODE:
        return f"{code} is no reply code; it has three digits, from 200 to 599 (RFC 5321, 4.2)"
    if str(code)[0] not in occasion.codes:
        allowed = " or ".join(f"{digit}yz" for digit in occasion.codes)
        return f"{code} would not be true: what the server does then is {allowed}"
    return ""


def _of_text(text: str, occasion: Occasion) -> Iterator[str]:
    for line in text.split("\n"):
        if not _TEXT.fullmatch(line):
            yield (
                f"{line!r} would break the reply line; write printable ASCII (RFC 5321, 4.2), and "
                "a line break only where a new line of the reply begins"
            )
        elif len(line) > MAX_LINE - len("250 "):
            yield f"a line is longer than {MAX_LINE} octets and would be cut; break it in two"
        yield from _of_fields(line, (*ALWAYS, *occasion.fields))


def _of_fields(text: str, known: Collection[str]) -> Iterator[str]:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        yield f"a brace stands alone in {text!r}; write {{{{ or }}}} for a brace itself"
        return
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in known:
            may = ", ".join(f"{{{one}}}" for one in known)
            yield f"{{{name}}} is not known then; there may be {may}"
        elif form or conversion:
            yield f"write {{{name}}} alone: a field has no format here"
