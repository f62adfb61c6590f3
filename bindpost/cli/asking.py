"""What commands share that ask a running server."""

from __future__ import annotations

import ipaddress
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
    return f"http://{_reachable(endpoint)}"


def _reachable(endpoint: Endpoint) -> Endpoint:
    """Give loopback in place of a wildcard address, which is for listening only."""
    try:
        address = ipaddress.ip_address(endpoint.host)
    except ValueError:
        return endpoint
    if not address.is_unspecified:
        return endpoint
    return Endpoint("127.0.0.1" if address.version == 4 else "::1", endpoint.port)
