"""
The wording table knows every sentence that aiosmtpd says by itself in the methods that we use.

The sentences are read out of aiosmtpd's source: whatever reaches `push(...)`, directly or through a
variable. A new version that says something else makes this fail.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from re import Pattern

import aiosmtpd.smtp
import pytest

from bindpost.server.smtp import protocol, wire
from bindpost.server.smtp.occasions import OCCASIONS
from bindpost.server.smtp.wording import STOCK_SENTENCES, occasion_of

SAMPLE = "sample"
"""What stands in the holes of a sentence."""

Methods = dict[str, ast.FunctionDef | ast.AsyncFunctionDef]
Table = Sequence[tuple[Pattern[str], str]]


def _methods(cls: type) -> Methods:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _calls_super(method: ast.AST, name: str) -> bool:
    return f"super().{name}(" in ast.unparse(method)


def _in_use() -> Methods:
    """aiosmtpd's methods that run: those not overridden, and those that the override calls."""
    classes = (wire.SmtpWire, protocol.SmtpProtocol)
    ours = {name: method for cls in classes for name, method in _methods(cls).items()}
    assigned = {name for cls in classes for name in vars(cls)}
    return {
        name: method
        for name, method in _methods(aiosmtpd.smtp.SMTP).items()
        if name not in assigned or (name in ours and _calls_super(ours[name], name))
    }


def _texts(
    value: ast.expr | None, method: ast.AST, seen: frozenset[str] = frozenset()
) -> Iterator[str]:
    """
    Give the texts that an expression may have; nothing for what is not a text of aiosmtpd's.

    `seen` are the variables that are being looked up, as one may be made of its former value.
    """
    match value:
        case ast.Constant(value=str() as text):
            yield text
        case ast.Constant(value=bytes() as octets):
            yield octets.decode()
        case ast.JoinedStr(values=parts):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else SAMPLE for part in parts
            )
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str() as text), attr="format")):
            yield text.replace("{}", SAMPLE)
        case ast.BinOp(left=left):
            yield from (text + SAMPLE for text in _texts(left, method, seen))
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(body, method, seen)
            yield from _texts(orelse, method, seen)
        case ast.BoolOp(values=values):
            for choice in values:
                yield from _texts(choice, method, seen)
        case ast.Name(id=name) if name not in seen:
            for node in ast.walk(method):
                if isinstance(node, ast.Assign | ast.AnnAssign) and name in _targets(node):
                    yield from _texts(node.value, method, seen | {name})


def _targets(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _pushed(method: ast.AST) -> Iterator[str]:
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.push":
            yield from _texts(node.args[0], method)


# A challenge of AUTH is no sentence: it goes out as it is.
SENTENCES = sorted(
    {text for method in _in_use().values() for text in _pushed(method) if text[:4] != "334 "}
)


def _meaning(table: Table) -> dict[str, str | None]:
    """Tell what a table makes of each sentence."""
    return {
        sentence: next((occasion for row, occasion in table if row.fullmatch(sentence)), None)
        for sentence in SENTENCES
    }


def test_the_sentences_are_found() -> None:
    """The reader of aiosmtpd's source finds each way in which a sentence reaches `push`."""
    assert {
        "500 Command line too long",  # a literal
        "421 4.7.0 sample sent too many times",  # an f-string
        "220 sample sample",  # format()
        "501 5.5.2 Can't decode base64",  # in an auth_ method, and in challenge_auth
        "535 5.7.8 Authentication credentials invalid",  # through status and CODE_INVALID
        "235 2.7.0 Authentication successful",  # through an `or`
    } <= set(SENTENCES)


def test_overridden_methods_are_left_out() -> None:
    """What aiosmtpd would say in methods of which ours take the place is of no interest."""
    assert "503 Error: nested MAIL command" not in SENTENCES


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_sentence_is_known(sentence: str) -> None:
    """Each of aiosmtpd's sentences stands for an occasion."""
    assert occasion_of(sentence) in OCCASIONS


@pytest.mark.parametrize("row", range(len(STOCK_SENTENCES)))
def test_a_row_that_is_taken_out_is_missed(row: int) -> None:
    """No row is for nothing: without it some sentence is unknown, or mistaken for another."""
    without = [*STOCK_SENTENCES[:row], *STOCK_SENTENCES[row + 1 :]]

    assert _meaning(without) != _meaning(STOCK_SENTENCES)


@pytest.mark.parametrize(
    ("sentence", "occasion"),
    {
        "220 mx.test Python SMTP 1.4.6": "greeting",
        '500 Error: command "X\rY" not recognized': "unknown_command",
        "500 Error: command 'AUTH' not recognized": "unknown_command",
        "500 Error: (ValueError) two\nlines": "internal_error",
    }.items(),
)
def test_sentences_that_look_alike_are_told_apart(sentence: str, occasion: str) -> None:
    """A sentence means the same whatever a client or a host name puts into it."""
    assert occasion_of(sentence) == occasion


@pytest.mark.parametrize(
    "text", ["334 VXNlcm5hbWU6", "334 ", "235 LOGIN authentication successful"]
)
def test_other_texts_are_left_as_they_are(text: str) -> None:
    """Challenges, and what our own authenticator says, are no sentences of aiosmtpd's."""
    assert occasion_of(text) is None
