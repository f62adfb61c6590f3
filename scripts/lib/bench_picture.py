"""Draws what scripts/bench found: bars in SVG, readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

Groups = Mapping[str, Mapping[str, float]]
"""What is drawn: groups with their headings, each of bars with their names; a scale a group."""

_WIDTH: Final = 760
_NAMES: Final = 250
_VALUES: Final = 70
_BAR: Final = 18
_LINE: Final = 24
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.t,.o{font-weight:600}"
    "rect{fill:#3b6fb6}rect.o{fill:#c2571a}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}rect{fill:#7aa7e0}rect.o{fill:#f0935b}}"
)


def draw(title: str, groups: Groups) -> str:
    """
    Give a picture of horizontal bars with their values behind them, a group below the other.

    Bars of bindpost's own are in another colour, and their names are bold.
    """
    body = list(_body(title, groups))
    height = _LINE * (len(groups) + sum(len(bars) for bars in groups.values()) + 2)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style>",
            *body,
            "</svg>",
            "",
        ]
    )


def _body(title: str, groups: Groups) -> Iterator[str]:
    y = _LINE
    yield _text(0, y, title, "t")
    for heading, bars in groups.items():
        y += _LINE
        yield _text(0, y, heading, "t")
        longest = max(bars.values(), default=0) or 1
        for name, value in bars.items():
            y += _LINE
            kind = "o" if "bindpost" in name else "b"
            length = value / longest * (_WIDTH - _NAMES - _VALUES)
            yield _text(_NAMES - 10, y, name, kind, ' text-anchor="end"')
            yield (
                f'<rect class="{kind}" x="{_NAMES}" y="{y - _BAR + 5}" width="{length:.1f}" '
                f'height="{_BAR}"/>'
            )
            yield _text(_NAMES + length + 6, y, f"{value:.3g}" if value < 1000 else f"{value:.0f}")


def _text(x: float, y: int, text: str, kind: str = "b", more: str = "") -> str:
    shown = escape(text.replace("`", ""))
    return f'<text class="{kind}" x="{x:.1f}" y="{y}"{more}>{shown}</text>'
