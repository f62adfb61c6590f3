"""The tables of bind paths, `[path.NAME]`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .kinds import FileName, FileNames, Table


class WinsockPath(Table, tag_field="type", tag="winsock", frozen=True):
    """A bind path through Microsoft Proxy Server's Winsock Proxy, `type = "winsock"`."""

    server: Annotated[
        str, Meta(description="HOST or HOST:PORT of the proxy; overrides mspclnt's server.")
    ] = ""
    mspclnt: Annotated[FileName, Meta(description="MSPCLNT.INI of the Proxy Client.")] = ""
    wspcfg: Annotated[FileName, Meta(description="WSPCFG.INI of the application.")] = ""
    lat: Annotated[
        FileNames, Meta(description="Local Address Tables: MSPLAT.TXT, LOCALLAT.TXT.")
    ] = ()
    application: Annotated[
        str, Meta(description="Name of the program's section, without .exe.")
    ] = "msexcimc"
    enabled: Annotated[
        bool, Meta(description="Whether the Proxy Client is enabled (its control panel's box).")
    ] = True
    tries: Annotated[
        int, Meta(ge=1, le=20, description="Datagrams sent before the proxy counts as silent.")
    ] = 3
    interval: Annotated[float, Meta(gt=0, le=60, description="Seconds between two tries.")] = 0.5
    keepalive: Annotated[
        float,
        Meta(
            gt=0,
            le=7200,
            description="Seconds between two hellos that ask the proxy for a sign of life; "
            "after as many tries as above without one the bind is lost.",
        ),
    ] = 30.0
    user: Annotated[
        str,
        Meta(
            description="USER or DOMAIN\\USER that logs in, if WSPCFG.INI says ForceCredentials=1."
        ),
    ] = ""
    password_file: Annotated[FileName, Meta(description="File with its password in it.")] = ""


class SocksPath(Table, tag_field="type", tag="socks", frozen=True):
    """A bind path through a SOCKS proxy, `[path.NAME] type = "socks"`, if a URL is not enough."""

    url: Annotated[
        str, Meta(description="The proxy: socks5://, socks4:// or socks4a:// as `via` has it.")
    ] = ""
    keepalive: Annotated[
        int,
        Meta(
            ge=1,
            le=7200,
            description="Silent seconds before its machine is asked for a sign of life; "
            "after as long again without one it has gone.",
        ),
    ] = 60


class SshPath(Table, tag_field="type", tag="ssh", frozen=True):
    """A bind path through an SSH server, `[path.NAME] type = "ssh"`."""

    host: Annotated[str, Meta(description="Name or address of the SSH server.")] = ""
    port: Annotated[int, Meta(ge=1, le=65535, description="Its port.")] = 22
    user: Annotated[
        str, Meta(description="Who logs in; empty = the user that bindpost runs as.")
    ] = ""
    known_hosts: Annotated[FileName, Meta(description="Host keys; empty = ~/.ssh/known_hosts.")] = (
        ""
    )
    key: Annotated[
        FileName, Meta(description="Private key; empty = the agent's and those in ~/.ssh.")
    ] = ""
    agent: Annotated[bool, Meta(description="Whether the agent is asked when no key is named.")] = (
        True
    )
    password_file: Annotated[FileName, Meta(description="File with the password in it.")] = ""
    keepalive: Annotated[
        int,
        Meta(
            ge=1,
            le=7200,
            description="Silent seconds before the server is asked for a sign of life; "
            "after four times that without one the login is lost.",
        ),
    ] = 15


class DirectPath(Table, tag_field="type", tag="direct", frozen=True):
    """A bind on this machine, `[path.NAME] type = "direct"`."""


PathTable = WinsockPath | SocksPath | SshPath | DirectPath
