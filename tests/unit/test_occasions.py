"""The table of occasions against the code that speaks: each field that it promises is given."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from pathlib import Path

import pytest

from bindpost.server import smtp
from bindpost.server.smtp.occasions import ALWAYS, FIELDS, OCCASIONS
from bindpost.server.smtp.wording import STOCK_SENTENCES

MEANINGLESS = {"mail_ok": {"size"}, "etrn_syntax": {"argument"}, "helo_missing": {"helo"}}
"""Fields that are given there, but are empty then."""


def _names(node: ast.expr) -> list[str]:
    """Give the occasions that the first argument of `say` can be."""
    return [
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value in OCCASIONS
    ]


def _given() -> dict[str, list[set[str]]]:
    """Give the fields that each call of `say` in the code gives, by occasion."""
    found = defaultdict(list)
    for file in Path(inspect.getfile(smtp)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "say"
                and node.args
            ):
                for name in _names(node.args[0]):
                    found[name].append({word.arg for word in node.keywords if word.arg})
    return found


GIVEN = _given()


@pytest.mark.parametrize("name", OCCASIONS)
def test_what_may_be_told_is_what_the_code_gives(name: str) -> None:
    """A field is promised only if every place in the code that says the words gives it."""
    calls = GIVEN[name]
    common = set.intersection(*calls) if calls else set()

    assert set(OCCASIONS[name].fields) == common - MEANINGLESS.get(name, set())


@pytest.mark.parametrize("name", OCCASIONS)
def test_the_code_speaks_then(name: str) -> None:
    """It is said by the conversation or the protocol, or stands for a sentence of aiosmtpd's."""
    assert GIVEN[name] or name in {occasion for _, occasion in STOCK_SENTENCES}


def test_every_field_is_explained() -> None:
    """Each that a reply may have says what it is, and none is left over."""
    used = {field for occasion in OCCASIONS.values() for field in occasion.fields}

    assert used == FIELDS.keys()
    assert not used & ALWAYS.keys()
