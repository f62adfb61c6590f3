"""Draws what scripts/bench found: bars in SVG, readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

_WIDTH: Final = 720
_NAMES: Final = 200
_BAR: Final = 22
_GAP: Final = 8
_TOP: Final = 44
_STYLE: Final = (
    "text{font:14px system-ui,sans-serif;fill:#1f2933}.t{font-weight:600}"
    ".b{fill:#3b6fb6}.o{fill:#c2571a}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.b{fill:#7aa7e0}.o{fill:#f0935b}}"
)


def bars(title: str, rows: Mapping[str, float]) -> str:
    """
    Give a picture of horizontal bars, one a row, with its value behind it.

    Rows of bindpost's own, whose names have no program in them, are in another colour.
    """
    longest = max(rows.values())
    scale = (_WIDTH - _NAMES - 60) / longest
    height = _TOP + len(rows) * (_BAR + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text class="t" x="0" y="20">{escape(title)}</text>',
    ]
    for number, (name, value) in enumerate(rows.items()):
        y = _TOP + number * (_BAR + _GAP)
        kind = "o" if "engine" in name or "bindpost" in name else "b"
        text = y + _BAR - 6
        parts += [
            f'<text x="{_NAMES - 10}" y="{text}" text-anchor="end">'
            f"{escape(name.replace('`', ''))}</text>",
            f'<rect class="{kind}" x="{_NAMES}" y="{y}" width="{value * scale:.1f}" '
            f'height="{_BAR}"/>',
            f'<text x="{_NAMES + value * scale + 6:.1f}" y="{text}">{value:.2f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
