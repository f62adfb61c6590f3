"""Phrasebook: a personality's replies as one listener says them, most of them made once."""

from __future__ import annotations

import string
from collections.abc import Mapping

from .personality import Personality
from .reply import Reply


class Phrasebook:
    """
    The replies of a personality, with what is the same in all sessions of a listener filled in.

    `constant` are those fields, `hostname` for instance. A reply that needs no other is in `ready`,
    and is the same object each time; so its bytes are made once, too.
    """

    def __init__(self, personality: Personality, constant: Mapping[str, object]) -> None:
        self._constant = constant
        self._words = {
            occasion: (words.code, tuple(words.text.split("\n")))
            for occasion, words in personality.reply.items()
        }
        self.ready: Mapping[str, Reply] = {
            occasion: personality.say(occasion, **constant)
            for occasion, words in personality.reply.items()
            if _fields_of(words.text) <= constant.keys()
        }

    def say(self, occasion: str, fields: dict[str, object]) -> Reply:
        """Give the reply for an occasion that has fields which are not the same for all."""
        code, lines = self._words[occasion]
        fields.update(self._constant)
        return Reply(code, tuple([line.format_map(fields) for line in lines]))


def _fields_of(text: str) -> set[str]:
    """Give the names of the fields in a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
