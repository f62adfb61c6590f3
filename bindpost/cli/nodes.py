"""`bindpost nodes`: the nodes that have an inbox, their listeners, who is gone."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bindpost.client import Listener, Node

from .asking import client_of, on_server
from .terminal import as_json_option, print_json, printable

_UNBOUND = ("retrying", "failed")


@click.command()
@as_json_option
@on_server
def nodes(*, as_json: bool, server: str | None) -> None:
    """
    Print the nodes that have the inbox of a running server, and the listeners of each.

    A node that is gone is shown as it was when it was heard of last.
    """
    found = client_of(server).nodes()
    if as_json:
        print_json(found)
        return
    for node in found.nodes:
        for line in _lines(node):
            click.echo(printable(line))
    if found.trouble:
        click.echo(printable(f"bindpost: the others can't be heard of: {found.trouble}"), err=True)


def _lines(node: Node) -> Iterator[str]:
    heard = node.heard.astimezone().isoformat(timespec="seconds")
    when = "answers" if node.here else f"heard {heard}"
    yield f"{node.name}  {node.state}, {when}, bindpost {node.version}"
    for listener in node.listeners:
        yield f"    {_listener(listener, was='was ' if node.state == 'gone' else '')}"


def _listener(listener: Listener, *, was: str) -> str:
    at = ", ".join(listener.addresses) or listener.endpoint
    line = f"{at}  {was}{listener.state}  {listener.via}"
    trouble = listener.last_error
    if trouble is None or listener.state not in _UNBOUND:
        return line
    return f"{line}  {trouble.code} {trouble.name}: {trouble.reason}"
