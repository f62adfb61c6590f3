"""What commands share that ask a running server."""

from __future__ import annotations

import os
from typing import Final

import click

from bindpost.client import Client
from bindpost.config.endpoint import Endpoint
from bindpost.config.environment import token_of
from bindpost.config.load import load
from bindpost.errors import ServerUnreachableError

_NAME_THE_SERVER: Final = "name the server with --server URL"

on_server = click.option(
    "--server",
    metavar="URL",
    help="http://[USER:PASSWORD@]HOST:PORT or unix:/path; else the web endpoint of the settings.",
)


in_mailbox = click.option(
    "--mailbox", metavar="NAME", help="Only in this mailbox; without it, in the whole inbox."
)


def client_of(server: str | None, mailbox: str | None = None) -> Client:
    """
    Give a client of a server, or of the one of the settings; its token is BINDPOST_TOKEN.

    Raises `ServerUnreachableError`.
    """
    return Client(server or _server_of_settings(), token=token_of(os.environ), mailbox=mailbox)


def _server_of_settings() -> str:
    """Give the URL at which the settings let the server listen."""
    settings = load().settings
    web = settings.web
    if web == "off":
        raise ServerUnreachableError(f"the settings turn the web side off; {_NAME_THE_SERVER}")
    endpoint = Endpoint.parse(web)
    if endpoint.is_unix:
        return str(endpoint)
    if endpoint.port == 0:
        raise ServerUnreachableError(f"the settings let the port be any; {_NAME_THE_SERVER}")
    scheme = "https" if settings.web_access.certificate else "http"
    return f"{scheme}://{endpoint.reachable()}"
