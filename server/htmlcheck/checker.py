"""The checker of an app: checks in a thread of its own, and has the figures."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import final

from . import figures
from .check import Checked, check
from .figures import Feature, Figures

SCRIPT = Feature(
    slug="html-script",
    title="<script> element",
    description="JavaScript is not supported in any email client.",
    category="html",
    tags=(),
    keywords="javascript",
    tested="",
    support={},
    notes={},
)
"""The one feature that Can I email doesn't have, in Mailpit's words."""


@final
class HtmlChecker:
    """Checks one mail after the other, so that nothing else of the server waits for it."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="bindpost-html-check")
        self._figures: Figures | None = None

    async def check(self, markup: str) -> Checked:
        """Check an HTML text; see `check.check`."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, check, markup)

    async def figures(self) -> Figures:
        """Give the figures, which are read when they are first asked for."""
        if self._figures is None:
            loop = asyncio.get_running_loop()
            self._figures = await loop.run_in_executor(self._executor, figures.load)
        return self._figures
