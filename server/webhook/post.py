"""Post: one request to a target, within a deadline; no redirect is followed, no proxy asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import h11

from bindpost.errors import BindpostError

from ..outgoing.asking import AskError, Asking
from .target import Target


class PostError(BindpostError):
    """No answer came. `reason` says why, `hint` what a person can do."""

    def __init__(self, reason: str, hint: str) -> None:
        self.reason = reason
        self.hint = hint
        super().__init__(reason)


async def post(
    target: Target, headers: Sequence[tuple[str, str]], body: bytes, *, seconds: float
) -> int:
    """
    Send a request and give the status of the answer, whatever it is, within so many seconds.

    Raises `PostError`.
    """
    request = h11.Request(
        method="POST",
        target=target.path,
        headers=[
            ("Host", target.authority),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            *headers,
        ],
    )
    asking = Asking(target.host, target.port, context=target.context)
    try:
        async with asyncio.timeout(seconds):
            answer = await asking.ask(request, body, may_be_asked=target.allows)
    except TimeoutError:
        raise PostError(
            f"{target}, {asking.step}: not done after {seconds:g} seconds",
            "let it answer 2xx at once and work afterwards, or raise webhook.timeout",
        ) from None
    except AskError as error:
        raise _explained(target, error) from None
    return answer.status_code


def _explained(target: Target, error: AskError) -> PostError:
    match error.problem:
        case "name":
            return PostError(f"looking up {target.host}: {error.reason}", "correct webhook.url")
        case "refused":
            return PostError(
                f"{target.host} leads to {error.reason}, where no webhook may go",
                "if that is meant, name the address or its network in webhook.networks",
            )
        case "tls":
            return PostError(
                f"{target}: TLS: {error.reason}",
                "see that its certificate is for this name; webhook.ca_file says whom to trust",
            )
        case "connection":
            return PostError(
                f"{target} {error.reason}", "see that it runs, and that webhook.url has its port"
            )
    return PostError(
        f"{target}: the answer is no HTTP: {error.reason}",
        "see that webhook.url is a web server's",
    )
