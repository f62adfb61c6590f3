"""Who may run scenarios over HTTP: that starts programs on this machine, so no stranger may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from starlette.requests import Request

from .guard import host_of, is_allowed

_FORWARDING: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Fields that a reverse proxy adds: whoever asks is somewhere else."""


@dataclass(frozen=True, slots=True)
class RunRule:
    """
    The rule of `lab.from_web`.

    `is_exposed` tells whether other machines may reach the web server, `needs_login` whether
    nobody gets so far as to ask who has not logged in.
    """

    from_web: Literal["loopback", "on", "off"]
    is_exposed: Callable[[], bool]
    needs_login: bool

    def refusal(self, request: Request) -> str:
        """Say why a client may run no scenario; empty if it may."""
        if self.from_web == "off":
            return "Scenarios are not run over HTTP here: lab.from_web is off."
        if self.from_web == "on" and self.needs_login:
            return ""
        if self.is_exposed():
            if self.from_web == "on":
                return (
                    "Scenarios start programs, and other machines reach this server without a "
                    "login: set web_access.users or web_access.tokens."
                )
            return (
                "Scenarios start programs, and other machines reach this server. "
                'With lab.from_web = "on" users who have logged in may run them.'
            )
        if not self.needs_login and _is_forwarded(request):
            return (
                "Scenarios start programs, and this request came from another machine, through a "
                "reverse proxy: set web_access.users or web_access.tokens."
            )
        return ""


def _is_forwarded(request: Request) -> bool:
    by_name = not is_allowed(host_of(request.headers.get("host", "")), ())
    return by_name or any(name in request.headers for name in _FORWARDING)


NOBODY: Final = RunRule("off", is_exposed=lambda: True, needs_login=False)
"""Nobody may."""
