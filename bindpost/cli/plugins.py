"""`bindpost plugins`: what is installed beside what is built in."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint

import click
import msgspec

from bindpost.config import via


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def plugins(as_json: bool) -> None:
    """List the plug-ins, bind paths and personalities: name, where it is, and its package."""
    from bindpost.server.smtp import personality

    rows = [
        *_rows("bind path", via.plug_ins()),
        *_rows("personality", personality.plug_ins()),
    ]
    if as_json:
        click.echo(msgspec.json.encode(rows))
    elif not rows:
        click.echo(
            "no plug-ins are installed; docs/bind-paths.md and docs/personalities.md tell how to "
            "write one",
            err=True,
        )
    else:
        for row in rows:
            click.echo("{kind}  {name}  {value}  ({package} {version})".format_map(row))


def _rows(kind: str, found: Mapping[str, EntryPoint]) -> list[dict[str, str]]:
    return [
        {
            "kind": kind,
            "name": name,
            "value": entry.value,
            "package": entry.dist.name if entry.dist else "",
            "version": entry.dist.version if entry.dist else "",
        }
        for name, entry in sorted(found.items())
    ]
