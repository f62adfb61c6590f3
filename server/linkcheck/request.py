"""Request: one link asked, HEAD and then GET, and its redirects one by one."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import h11

from bindpost import __version__

from ..outgoing.asking import AskError, Asking
from ..outgoing.target import Target
from .budget import Budget
from .result import LinkResult, outcome_of
from .rules import Rules

HOPS: Final = 5
"""Redirects that are followed."""
URL_LIMIT: Final = 4_096
_NOT_BY_HEAD: Final = frozenset({405, 501})
"""Statuses of a server that doesn't answer HEAD (RFC 9110, 15.5.6 and 15.6.2)."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SAFE: Final = "%!$&'()*+,;=:@/?[]~"
"""What stays as it is in a path or a query (RFC 3986), an escape too."""


def clean(url: str) -> str:
    """
    Write a link as it is asked: a host's name in ASCII, all else as %XX; no user, no #fragment.

    Raises `ValueError` with a sentence for what is no URL of a server.
    """
    if len(url) > URL_LIMIT:
        raise ValueError(f"is longer than {URL_LIMIT} characters")
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError as error:  # a UnicodeError too
        raise ValueError(f"is no URL ({error})") from None
    host = f"[{host}]" if ":" in host else host
    path, query = quote(parts.path, _SAFE), quote(parts.query, _SAFE)
    return urlunsplit((parts.scheme.lower(), host + port, path, query, ""))


async def ask(url: str, rules: Rules, budget: Budget, *, follow: bool) -> LinkResult:
    """Ask for a link, within `rules.timeout` seconds; never raises."""
    target_of_redirect = ""
    try:
        async with asyncio.timeout(rules.timeout):
            for _ in range(HOPS + 1):
                answer = await _ask_once(target_of_redirect or url, rules, budget)
                location = _location(answer, target_of_redirect or url)
                if not (follow and location):
                    return LinkResult(
                        url=url,
                        outcome=outcome_of(answer.status_code),
                        status=answer.status_code,
                        location=location or target_of_redirect,
                    )
                target_of_redirect = location
    except _NotAskedError as error:
        return LinkResult(url=url, outcome="not_asked", reason=str(error))
    except (ValueError, h11.LocalProtocolError) as error:
        reason = f"{'leads to what' if target_of_redirect else 'it'} {error}"
        return LinkResult(url=url, outcome="unreachable", reason=reason)
    except TimeoutError:
        reason = f"not done after {rules.timeout:g} seconds"
        return LinkResult(
            url=url, outcome="unreachable", reason=reason, location=target_of_redirect
        )
    except AskError as error:
        return _failed(url, error, target_of_redirect)
    return LinkResult(url=url, outcome="unreachable", reason=f"more than {HOPS} redirects")


class _NotAskedError(Exception):
    """The budget is used up."""


async def _ask_once(url: str, rules: Rules, budget: Budget) -> h11.Response:
    """Give the answer to HEAD, or to GET where HEAD isn't known. Raises `ValueError` for a URL."""
    target = Target.parse(clean(url))
    context = rules.context if target.scheme == "https" else None
    for method in ("HEAD", "GET"):
        if not budget.take():
            raise _NotAskedError("the requests of this minute are used up")
        asking = Asking(target.host, target.port, context=context)
        request = h11.Request(
            method=method,
            target=target.path,
            headers=[
                ("Host", target.authority),
                ("User-Agent", f"bindpost/{__version__} (link check)"),
                ("Accept", "*/*"),
                ("Connection", "close"),
            ],
        )
        answer = await asking.ask(request, may_be_asked=rules.may_be_asked)
        if answer.status_code not in _NOT_BY_HEAD:
            break
    return answer


def _location(answer: h11.Response, url: str) -> str:
    """Give the URL that an answer leads to, empty if to none."""
    if answer.status_code not in _REDIRECTS:
        return ""
    found = next((value for name, value in answer.headers if name == b"location"), b"")
    try:
        return urljoin(url, found.decode("utf-8", "replace").strip())[: URL_LIMIT + 1]
    except ValueError:
        return ""


def _failed(url: str, error: AskError, location: str) -> LinkResult:
    where = f"redirects to {location}: " if location else ""
    match error.problem:
        case "refused":
            reason = f"{where}leads to {error.reason}, which is private"
            return LinkResult(url=url, outcome="refused", reason=reason, location=location)
        case "name":
            words = f"the host is not found: {error.reason}"
        case "tls":
            words = f"TLS: {error.reason}"
        case "answer":
            words = f"the answer is no HTTP: {error.reason}"
        case _:
            words = f"no connection {error.reason}"
    return LinkResult(url=url, outcome="unreachable", reason=where + words, location=location)
