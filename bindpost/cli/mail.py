"""`bindpost mail`: the inbox of a running server, from a terminal."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

import click
import msgspec

from bindpost.client import Client, Job, Message, MessageNotFoundError, MessageSummary
from bindpost.config.endpoint import Endpoint
from bindpost.config.load import load
from bindpost.errors import ServerUnreachableError

_NAME_THE_SERVER: Final = "name the server with --server URL"
_OBEYED: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that a terminal acts upon: controls, surrogates, line breaks."""
_TURNING: Final = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Directional classes of the characters that make a text look like another one (UAX 9)."""


_on_server = click.option(
    "--server",
    metavar="URL",
    help="http://HOST:PORT or unix:/path; else the web endpoint of the settings.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def mail() -> None:
    """Look at the inbox of a running server, wait for mail, delete or release it."""


@mail.command("list")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Messages shown; 0 for all.",
)
@_as_json
@_on_server
def list_(*, limit: int, as_json: bool, server: str | None) -> None:
    """Print the newest messages, newest first."""
    messages = _client(server).messages(limit)
    if as_json:
        _print_json(messages)
        return
    for message in messages:
        click.echo(printable(_row(message)))


@mail.command()
@click.argument("message_id", metavar="ID|latest")
@_as_json
@_on_server
def show(*, message_id: str, as_json: bool, server: str | None) -> None:
    """Print a message: its envelope, its session, its header and its text."""
    _print_message(_client(server).message(message_id), as_json=as_json)


@mail.command()
@click.argument("message_id", metavar="ID|latest")
@_on_server
def raw(*, message_id: str, server: str | None) -> None:
    """Write a message's bytes to standard output, exactly as received."""
    sys.stdout.buffer.write(_client(server).raw(message_id))
    sys.stdout.buffer.flush()


@mail.command()
@click.option("--to", "recipient", metavar="ADDRESS", help="Recipient in the envelope.")
@click.option("--from", "sender", metavar="ADDRESS", help="Sender in the envelope.")
@click.option("--subject", metavar="TEXT", help="Part of the subject.")
@click.option(
    "--after", type=click.IntRange(min=0), metavar="CURSOR", help="Only a message behind this one."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, max=86_400),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)
@_as_json
@_on_server
def wait(
    *,
    recipient: str | None,
    sender: str | None,
    subject: str | None,
    after: int | None,
    timeout: float,
    as_json: bool,
    server: str | None,
) -> None:
    """
    Wait for a message and print it; one that is there already counts.

    Exit status 1 when none came in time.
    """
    message = _client(server).wait(
        recipient=recipient, sender=sender, subject=subject, after=after, timeout=timeout
    )
    if message is None:
        raise click.ClickException(f"no such message came in {timeout:g} seconds")
    _print_message(message, as_json=as_json)


@mail.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Delete all messages.")
@_as_json
@_on_server
def delete(*, ids: tuple[str, ...], everything: bool, as_json: bool, server: str | None) -> None:
    """Delete messages by their ids, or all with --all."""
    if everything == bool(ids):
        raise click.UsageError("Give either the ids of messages or --all.")
    client = _client(server)
    result = client.delete_all() if everything else client.delete(ids)
    if as_json:
        _print_json(result)
    else:
        click.echo(f"{result.deleted} {'message' if result.deleted == 1 else 'messages'} deleted")
    if result.unknown:
        unknown = ", ".join(repr(message_id) for message_id in result.unknown)
        raise MessageNotFoundError(f"{client.url} has no message {unknown}")


@mail.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option(
    "--to",
    "addresses",
    metavar="ADDRESS",
    multiple=True,
    help="Recipient in place of the message's own; may be repeated.",
)
@_as_json
@_on_server
def release(
    *, ids: tuple[str, ...], addresses: tuple[str, ...], as_json: bool, server: str | None
) -> None:
    """
    Send messages on to the server that [relay] names, through its proxy if there is one.

    They are queued and sent soon; the server's log tells what becomes of them.
    """
    client = _client(server)
    jobs = []
    try:
        for message_id in ids:
            jobs.append(client.release(message_id, addresses or None))
            if not as_json:
                click.echo(printable(_queued(jobs[-1])))
    finally:  # what has been queued is told, even if the next one can't be
        if as_json:
            _print_json(jobs)


def _client(server: str | None) -> Client:
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


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode("utf-8"))


def _print_message(message: Message, *, as_json: bool) -> None:
    if as_json:
        _print_json(message)
        return
    for line in _lines(message):
        click.echo(printable(line))
    click.echo()
    for line in message.text.splitlines():
        click.echo(printable(line))


def _row(message: MessageSummary) -> str:
    recipients = ", ".join(message.recipients[:3])
    if len(message.recipients) > 3:
        recipients += f" and {len(message.recipients) - 3} more"
    mark = " " if message.read else "*"
    subject = message.fields.subject or "(no subject)"
    return (
        f"{mark} {message.id}  {_local(message)}  "
        f"<{message.envelope.reverse_path}> -> {recipients}  {subject}"
    )


def _queued(job: Job) -> str:
    recipients = ", ".join(recipient.address for recipient in job.recipients)
    return f"{job.message_id} queued for {recipients}"


def _lines(message: Message) -> Iterator[str]:
    """Give what stands above the text, a fact a line."""
    envelope, session = message.envelope, message.session
    yield f"id          {message.id}"
    yield f"cursor      {message.cursor}"
    yield f"received    {_local(message)}, {message.size} bytes"
    yield f"mail from   <{envelope.reverse_path}>{_parameters(envelope.parameters)}"
    for recipient in envelope.recipients:
        yield f"rcpt to     <{recipient.address}>{_parameters(recipient.parameters)}"
    greeting = f", {'EHLO' if session.esmtp else 'HELO'} {session.helo}" if session.helo else ""
    yield f"client      {session.peer or 'unknown'}{greeting}"
    yield f"listener    {session.listener} through {session.via} as {session.personality}"
    if session.tls_version:
        yield f"tls         {session.tls_version}, {session.tls_cipher}"
    if session.login:
        yield f"login       {session.login}"
    yield ""
    for field in message.content.headers:
        yield f"{field.name}: {field.text}"
    for attachment in message.content.attachments + message.content.inline:
        name = attachment.file_name or attachment.content_id or "(no name)"
        yield f"[attachment {name}, {attachment.content_type}, {attachment.size} bytes]"


def _parameters(given: Mapping[str, str | None]) -> str:
    return "".join(
        f" {name}" if value is None else f" {name}={value}" for name, value in given.items()
    )


def _local(message: MessageSummary) -> str:
    return message.received.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def printable(text: str) -> str:
    """
    Give a line that a terminal shows and does not obey.

    Control characters, and those that turn the direction of writing, are written as escapes, and so
    is what the encoding of standard output lacks.
    """
    shown = "".join(char if _is_harmless(char) else _escape(char) for char in text)
    encoding = sys.stdout.encoding or "ascii"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _is_harmless(char: str) -> bool:
    return char == "\t" or (
        unicodedata.category(char) not in _OBEYED
        and unicodedata.bidirectional(char) not in _TURNING
    )


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
