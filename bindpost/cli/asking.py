"""What commands share that ask a running server."""

from __future__ import annotations

from typing import Final

import click

from bindpost.client import Client
from bindpost.config.endpoint import Endpoint
from bindpost.config.load import load
from bindpost.errors import ServerUnreachableError

_NAME_THE_SERVER: Final = "name the server with --server URL"

on_server = click.option(
    "--server",
    metavar="URL",
    help="http://HOST:PORT or unix:/path; else the web endpoint of the settings.",
)


def client_of(server: str | None) -> Client:
    """Give a client of a server, or of the one of the settings. Raises `ServerUnreachableError`."""
    return Client(server or _server_of_settings())


def _server_of_settings() -> str:
    """Give the URL at which the settings let the server listen."""
    web = load().settings.web
    if web == "off":
        raise ServerUnreachableError(f"the settings turn the web side off; {_NAME_THE_SERVER}")
    endpoint = Endpoint.parse(web)
    if endpoint.is_unix:
        return str(endpoint)
    if endpoint.port == 0:
        raise ServerUnreachableError(f"the settings let the port be any; {_NAME_THE_SERVER}")
    return f"http://{endpoint.reachable()}"
