"""
Reads CSS, of a style sheet or a `style` attribute, as marks: `property display`, `unit rem`.

What marks there are is told by features.py, which knows what each of them means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

import tinycss2  # type: ignore[import-untyped]  # it brings no types
from tinycss2 import ast

from .deadline import Deadline

_LEGACY: Final = frozenset({"before", "after", "first-letter", "first-line"})
"""Pseudo-elements that may be written with one colon (CSS 2)."""
_COMBINATORS: Final = {">": "child", "+": "adjacent-sibling", "~": "general-sibling"}
_ADDRESSES: Final = frozenset({"url", "src", "image"})


class Compound(NamedTuple):
    """The last part of a selector: `td.wide[align]`; an empty `type` is any."""

    type: str
    id: str
    classes: frozenset[str]
    attributes: frozenset[str]


class Rule(NamedTuple):
    """The elements that a rule is for, and the marks of its declarations, with their lines."""

    compounds: list[Compound]
    marks: list[tuple[str, int]]


class Sheet(NamedTuple):
    """A style sheet: its rules, and the marks that are about no element, with their lines."""

    rules: list[Rule]
    marks: list[tuple[str, int]]


def read_declarations(text: str) -> Iterator[str]:
    """Give the marks of a `style` attribute."""
    for node in tinycss2.parse_blocks_contents(text):
        yield from (mark for mark, _ in _of_declaration(node))


def read_sheet(text: str, deadline: Deadline) -> Sheet:
    """Read a style sheet. Raises `TimeUpError`."""
    found = Sheet([], [])
    nodes = tinycss2.parse_stylesheet(text, skip_whitespace=True)
    waiting: list[tuple[Sequence[ast.Node], Rule | None]] = [(nodes, None)]
    while waiting:  # not recursive: blocks nest as deep as mail likes
        nodes, around = waiting.pop()
        for node in nodes:
            deadline.check()
            if isinstance(node, ast.Comment):
                found.marks.append(("css comment", node.source_line))
            elif isinstance(node, ast.AtRule):
                found.marks.extend(_of_at_rule(node))
                if node.content is not None:
                    waiting.append((tinycss2.parse_blocks_contents(node.content), around))
            elif isinstance(node, ast.QualifiedRule):
                rule = _read_selectors(node, found, around)
                waiting.append((tinycss2.parse_blocks_contents(node.content), rule))
            elif around is not None:
                around.marks.extend(_of_declaration(node))
            elif isinstance(node, ast.Declaration):  # of @font-face, which is for no element
                found.marks.extend(_of_declaration(node))
    return found


def _of_declaration(node: ast.Node) -> Iterator[tuple[str, int]]:
    if not isinstance(node, ast.Declaration):
        return
    name, line = node.lower_name, node.source_line
    yield f"property {name}", line
    if name.startswith("--"):
        yield "property --*", line
    if node.important:
        yield "important", line
    for part in _walk(node.value):
        if isinstance(part, ast.IdentToken):
            yield f"value {name}:{part.lower_value}", line
            yield f"keyword {part.lower_value}", line
        elif isinstance(part, ast.DimensionToken):
            yield f"unit {part.lower_unit}", line
        elif isinstance(part, ast.PercentageToken):
            yield "unit %", line
        elif isinstance(part, ast.FunctionBlock):
            yield f"function {part.lower_name}", line
            if part.lower_name in _ADDRESSES:
                texts = (each for each in part.arguments if isinstance(each, ast.StringToken))
                yield from ((f"picture {picture_kind(each.value)}", line) for each in texts)
        elif isinstance(part, ast.URLToken):
            yield f"picture {picture_kind(part.value)}", line


def picture_kind(url: str) -> str:
    """Tell of what form a picture is by its address: `webp`; `base64` if it is in the address."""
    if url[:11].lower() == "data:image/":
        return "base64"
    path = url[-2_000:].partition("#")[0].partition("?")[0]
    return path.rpartition("/")[2].rpartition(".")[2].lower()


def _of_at_rule(node: ast.AtRule) -> Iterator[tuple[str, int]]:
    yield f"at {node.lower_at_keyword}", node.source_line
    if node.lower_at_keyword == "media":
        for part in _walk(node.prelude):
            if isinstance(part, ast.IdentToken):
                yield f"media {part.lower_value}", part.source_line


def _walk(nodes: Sequence[ast.Node]) -> Iterator[ast.Node]:
    """Give each token, those in brackets too."""
    waiting = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        yield node
        inside = getattr(node, "arguments", None) or getattr(node, "content", None)
        if isinstance(inside, list):
            waiting.extend(reversed(inside))


def _read_selectors(rule: ast.QualifiedRule, sheet: Sheet, around: Rule | None) -> Rule:
    """Read the selectors of a rule, note their marks, and give the rule, still empty."""
    selectors: list[list[ast.Node]] = [[]]
    for node in rule.prelude:
        if node == ",":
            selectors.append([])
        elif not isinstance(node, ast.Comment):
            selectors[-1].append(node)
    marks = {"selector grouping"} if len(selectors) > 1 else set()
    compounds = [_Selector(selector).read(marks) for selector in selectors]
    if around is not None:
        marks.add("css nesting")
    sheet.marks.extend((mark, rule.source_line) for mark in sorted(marks))
    if around is not None:
        compounds = [compound for compound in compounds if any(compound)]
        if not compounds:  # &:hover is about the elements that are meant around it
            return around
    found = Rule(compounds, [])
    sheet.rules.append(found)
    return found


class _Selector:
    """Reads one selector, `div > td.wide:hover`, and keeps its last compound."""

    def __init__(self, tokens: list[ast.Node]) -> None:
        self._tokens = tokens
        self._begin()
        self._is_apart = False

    def _begin(self) -> None:
        self._type, self._id, self._parts = "", "", 0
        self._classes: set[str] = set()
        self._attributes: set[str] = set()

    def read(self, marks: set[str]) -> Compound:
        """Note the selector's marks; give its last compound."""
        place = 0
        while place < len(self._tokens):
            place += self._take(place, marks)
        return Compound(self._type, self._id, frozenset(self._classes), frozenset(self._attributes))

    def _take(self, place: int, marks: set[str]) -> int:
        """Read what stands at a place, and give how many tokens it was."""
        node, *rest = self._tokens[place : place + 3]
        if isinstance(node, ast.WhitespaceToken):
            self._is_apart = self._parts > 0
            return 1
        if isinstance(node, ast.LiteralToken) and node.value in _COMBINATORS:
            marks.add(f"selector {_COMBINATORS[node.value]}")
            self._begin()
            self._is_apart = False
            return 1
        if self._is_apart:
            marks.add("selector descendant")
            self._begin()
            self._is_apart = False
        if node == ":":
            return self._take_pseudo(rest, marks)
        return self._take_simple(node, rest, marks)

    def _take_pseudo(self, rest: Sequence[ast.Node], marks: set[str]) -> int:
        """Read what follows a colon; only `:root` says which element is meant."""
        self._parts = self._parts or 1
        is_element = bool(rest) and rest[0] == ":"
        named = rest[1:] if is_element else rest
        inner = named[0] if named else None
        name = ""
        if isinstance(inner, ast.IdentToken):
            name = inner.lower_value
        elif isinstance(inner, ast.FunctionBlock):
            name = inner.lower_name
        is_element = is_element or name in _LEGACY
        if name == "root":
            self._type = "html"
        marks.add(f"pseudo-{'element' if is_element else 'class'} {name}")
        return 1 + len(rest) - len(named) + (1 if name else 0)

    def _take_simple(self, node: ast.Node, rest: Sequence[ast.Node], marks: set[str]) -> int:
        """Read a type, a class, an id or an attribute."""
        taken, kind = 1, ""
        if isinstance(node, ast.IdentToken):
            kind, self._type = "type", node.lower_value
        elif node == "*":
            kind = "universal"
        elif node == "." and rest and isinstance(rest[0], ast.IdentToken):
            taken, kind = 2, "class"
            self._classes.add(rest[0].value)
        elif isinstance(node, ast.HashToken):
            kind, self._id = "id", node.value
        elif isinstance(node, ast.SquareBracketsBlock):
            kind = "attribute"
            names = (each for each in node.content if isinstance(each, ast.IdentToken))
            self._attributes.update(each.lower_value for each in islice(names, 1))
        elif node == "&":
            marks.add("css nesting")
        if kind:
            marks.add(f"selector {kind}")
            self._parts += 1
            if self._parts > 1:
                marks.add("selector chaining")
        return taken
