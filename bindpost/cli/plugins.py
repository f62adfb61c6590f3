"""`bindpost plugins`: what is installed beside what is built in."""

from __future__ import annotations

import click
import msgspec

from bindpost.config.via import plug_ins


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def plugins(as_json: bool) -> None:
    """List the plug-ins that bring bind paths: scheme, where it is, and its package."""
    rows = [
        {
            "scheme": scheme,
            "value": entry.value,
            "package": entry.dist.name if entry.dist else "",
            "version": entry.dist.version if entry.dist else "",
        }
        for scheme, entry in sorted(plug_ins().items())
    ]
    if as_json:
        click.echo(msgspec.json.encode(rows))
    elif not rows:
        click.echo("no plug-ins are installed; docs/bind-paths.md tells how to write one", err=True)
    else:
        for row in rows:
            click.echo("{scheme}  {value}  ({package} {version})".format_map(row))
