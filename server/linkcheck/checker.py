"""The checker of an app: asks for the links of a mail, when a person or a program wants that."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Final, final

from .budget import Budget
from .request import ask
from .result import LinkResult
from .rules import Rules

REMEMBERED: Final = 60.0
"""Seconds that a result is given again without asking."""
REMEMBERED_LIMIT: Final = 1_000
PER_HOST: Final = 2
"""Requests of one check to the same host at a time."""


@final
class LinkChecker:
    """Asks for links within its rules; nothing of a mail leaves the house but the URL."""

    def __init__(self, rules: Rules, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._clock = clock
        self._budget = Budget(rules.per_minute, clock=clock)
        self._at_once = asyncio.Semaphore(rules.at_once)
        self._known: OrderedDict[tuple[str, bool], tuple[float, LinkResult]] = OrderedDict()

    async def check(self, urls: Sequence[str], *, follow: bool) -> list[LinkResult]:
        """Give what came of each link, in their order; never raises."""
        await asyncio.to_thread(lambda: self._rules.context)
        hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(PER_HOST)
        )
        tasks = [
            asyncio.create_task(self._check(url, hosts[_host(url)], follow=follow))
            for url in urls[: self._rules.links]
        ]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=self._rules.whole_timeout)
            late = f"not done after {self._rules.whole_timeout:g} seconds for all"
            results = [
                task.result()
                if task.done()
                else LinkResult(url=url, outcome="not_asked", reason=late)
                for url, task in zip(urls, tasks, strict=False)
            ]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        reason = f"only {self._rules.links} links of a message are asked for"
        left_out = urls[self._rules.links :]
        return results + [LinkResult(url=u, outcome="not_asked", reason=reason) for u in left_out]

    async def _check(self, url: str, host: asyncio.Semaphore, *, follow: bool) -> LinkResult:
        known = self._known.get((url, follow))
        if known is not None and self._clock() - known[0] < REMEMBERED:
            return known[1]
        async with host, self._at_once:
            result = await ask(url, self._rules, self._budget, follow=follow)
        if result.outcome != "not_asked":
            self._known[url, follow] = (self._clock(), result)
            self._known.move_to_end((url, follow))
            if len(self._known) > REMEMBERED_LIMIT:
                self._known.popitem(last=False)
        return result


def _host(url: str) -> str:
    """Give what stands for the host of a URL, whatever it is."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2].lower()
