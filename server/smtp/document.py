"""
The personalities as Markdown, for docs/personalities.md.

`python -m bindpost.server.smtp.document docs/personalities.md` puts them between the file's two
markers.
"""

from __future__ import annotations

import sys
from typing import Final

from bindpost.pages import Part, table

from . import personality
from .occasions import ALWAYS, FIELDS, OCCASIONS
from .personality import Personality, ReplyText

_ATTESTED: Final = {"text": "code and text", "code": "code", "no": "no"}


def replies() -> str:
    """Give the tables of occasions and fields, and a section for each personality."""
    sections = (_section(personality.load(name)) for name in personality.names())
    return "\n".join([_occasions(), *sections])


def _occasions() -> str:
    rows = (
        (f"`{name}`", one.when, _classes(one.codes), _codes(one.fields))
        for name, one in OCCASIONS.items()
    )
    fields = ((f"`{name}`", words) for name, words in {**ALWAYS, **FIELDS}.items())
    return "\n".join(
        [
            "### Occasions",
            "",
            table(("occasion", "when", "code", "fields of its own"), rows),
            "",
            f"Every text may have {_codes(tuple(ALWAYS))} beside its own.",
            "",
            table(("field", "what it is"), fields),
            "",
        ]
    )


def _classes(digits: str) -> str:
    return " or ".join(f"{digit}yz" for digit in digits)


def _section(words: Personality) -> str:
    inherited = personality.load(words.extends).reply if words.extends else {}
    rows = [
        _cells(occasion, reply, of=words.extends if reply == inherited.get(occasion) else "")
        for occasion, reply in words.reply.items()
    ]
    rows += [_cells(occasion, reply, in_lmtp=True) for occasion, reply in words.lmtp.items()]
    return "\n".join(
        [
            f"### {words.name}",
            "",
            f"{words.product}, build {words.build}.",
            "",
            f"- Keyword list of EHLO: {_codes(words.extensions)}",
            f"- Parameters of MAIL: {_codes(words.mail_parameters)}",
            f"- Parameters of RCPT: {_codes(words.rcpt_parameters)}",
            f"- Mechanisms of AUTH: {_codes(words.auth_mechanisms)}",
            "",
            table(("occasion", "code", "text", "attested", "source"), rows),
            "",
        ]
    )


def _cells(
    occasion: str, reply: ReplyText, *, of: str = "", in_lmtp: bool = False
) -> tuple[str, ...]:
    """Give a reply's row; `of` names the personality that it was taken from and is attested for."""
    text = "<br>".join(_code(line) for line in reply.text.split("\n"))
    source = reply.source.replace("|", "\\|")
    attested = _ATTESTED[reply.attested] + (f", of {of}" if of and reply.attested != "no" else "")
    when = f"`{occasion}` in LMTP" if in_lmtp else f"`{occasion}`"
    return (when, str(reply.code), text, attested, source)


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _codes(words: tuple[str, ...]) -> str:
    return ", ".join(map(_code, words)) or "none"


PART: Final = Part(
    page="docs/personalities.md",
    begin=(
        "<!-- replies: made by `python -m bindpost.server.smtp.document docs/personalities.md` -->"
    ),
    end="<!-- end of replies -->",
    make=replies,
)

if __name__ == "__main__":
    PART.main(sys.argv[1:])
