"""Where `sendmail` sends: the first listener of the settings, or the one that is named."""

from __future__ import annotations

from dataclasses import dataclass

from bindpost.config.endpoint import Endpoint
from bindpost.config.load import load
from bindpost.errors import EXIT_CONFIG, BindpostError

from .sendmail_options import EX_USAGE, SendmailError


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server; `implicit_tls` says that TLS comes first."""

    endpoint: Endpoint
    implicit_tls: bool = False

    def __str__(self) -> str:
        return str(self.endpoint)


def server_of(named: str) -> Server:
    """Give the server that was named, else that of the settings. Raises `SendmailError`."""
    if named:
        try:
            return Server(Endpoint.parse(named))
        except ValueError as error:
            raise SendmailError(f"--server {named}: {error}", EX_USAGE) from None
    try:
        settings = load().settings
    except BindpostError as error:
        raise SendmailError(str(error), EXIT_CONFIG) from None
    listener = next(iter(settings.listener), None)
    if listener is None:
        raise SendmailError("the settings name no listener; give --server HOST:PORT", EXIT_CONFIG)
    endpoint = Endpoint.parse(listener.endpoint)
    if endpoint.port == 0 and not endpoint.is_unix:
        raise SendmailError(
            "the settings let the listener's port be any; give --server HOST:PORT", EXIT_CONFIG
        )
    return Server(endpoint.reachable(), implicit_tls=listener.tls == "implicit")
