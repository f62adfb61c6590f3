"""`bindpost mail`: the inbox of a running server, from a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import click

from bindpost.client import Job, Message, MessageNotFoundError, MessageSummary

from . import mail_transfer
from .asking import client_of, in_mailbox, on_server
from .terminal import as_json_option, print_json, printable, write_all


@click.group()
def mail() -> None:
    """Look at the inbox of a running server, wait for mail, delete, release, import, export it."""


mail.add_command(mail_transfer.import_)
mail.add_command(mail_transfer.export)


@mail.command("list")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Messages shown; 0 for all.",
)
@as_json_option
@in_mailbox
@on_server
def list_(*, limit: int, as_json: bool, mailbox: str | None, server: str | None) -> None:
    """Print the newest messages, newest first."""
    messages = client_of(server, mailbox).messages(limit)
    if as_json:
        print_json(messages)
        return
    for message in messages:
        click.echo(printable(_row(message)))


@mail.command()
@as_json_option
@on_server
def mailboxes(*, as_json: bool, server: str | None) -> None:
    """Print the mailboxes, and how much is in each."""
    found = client_of(server).mailboxes()
    if as_json:
        print_json(found)
        return
    for box in found:
        click.echo(printable(f"{box.name}  {box.total} messages, {box.unread} unread"))


@mail.command()
@click.argument("message_id", metavar="ID|latest")
@as_json_option
@in_mailbox
@on_server
def show(*, message_id: str, as_json: bool, mailbox: str | None, server: str | None) -> None:
    """Print a message: its envelope, its session, its header and its text."""
    _print_message(client_of(server, mailbox).message(message_id), as_json=as_json)


@mail.command()
@click.argument("message_id", metavar="ID|latest")
@in_mailbox
@on_server
def raw(*, message_id: str, mailbox: str | None, server: str | None) -> None:
    """Write a message's bytes to standard output, exactly as received."""
    write_all(sys.stdout.buffer, client_of(server, mailbox).raw(message_id))
    sys.stdout.buffer.flush()


@mail.command()
@click.option("--to", "recipient", metavar="ADDRESS", help="Recipient in the envelope.")
@click.option("--from", "sender", metavar="ADDRESS", help="Sender in the envelope.")
@click.option("--subject", metavar="TEXT", help="Part of the subject.")
@click.option("--subject-regex", metavar="PATTERN", help="Pattern in the subject (RE2).")
@click.option(
    "--header",
    "headers",
    type=(str, str),
    multiple=True,
    metavar="NAME VALUE",
    help="Header field with this value; may be repeated.",
)
@click.option(
    "--header-regex",
    "header_regexes",
    type=(str, str),
    multiple=True,
    metavar="NAME PATTERN",
    help="Header field with this pattern in it; may be repeated.",
)
@click.option("--has-link", is_flag=True, help="Only a message with a link in it.")
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
@as_json_option
@in_mailbox
@on_server
def wait(
    *,
    recipient: str | None,
    sender: str | None,
    subject: str | None,
    subject_regex: str | None,
    headers: tuple[tuple[str, str], ...],
    header_regexes: tuple[tuple[str, str], ...],
    has_link: bool,
    after: int | None,
    timeout: float,
    as_json: bool,
    mailbox: str | None,
    server: str | None,
) -> None:
    """
    Wait for a message and print it; one that is there already counts.

    Exit status 1 when none came in time.
    """
    message = client_of(server, mailbox).wait(
        recipient=recipient,
        sender=sender,
        subject=subject,
        subject_regex=subject_regex,
        headers=_by_name(headers),
        header_regexes=_by_name(header_regexes),
        has_link=has_link,
        after=after,
        timeout=timeout,
    )
    if message is None:
        raise click.ClickException(f"no such message came in {timeout:g} seconds")
    _print_message(message, as_json=as_json)


@mail.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Delete all that is there.")
@as_json_option
@in_mailbox
@on_server
def delete(
    *,
    ids: tuple[str, ...],
    everything: bool,
    as_json: bool,
    mailbox: str | None,
    server: str | None,
) -> None:
    """Delete messages by their ids, or all with --all."""
    if everything == bool(ids):
        raise click.UsageError("Give either the ids of messages or --all.")
    client = client_of(server, mailbox)
    result = client.delete_all() if everything else client.delete(ids)
    if as_json:
        print_json(result)
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
@as_json_option
@in_mailbox
@on_server
def release(
    *,
    ids: tuple[str, ...],
    addresses: tuple[str, ...],
    as_json: bool,
    mailbox: str | None,
    server: str | None,
) -> None:
    """
    Send messages on to the server that [relay] names, through its proxy if there is one.

    They are queued and sent soon; the server's log tells what becomes of them.
    """
    client = client_of(server, mailbox)
    jobs = []
    try:
        for message_id in ids:
            jobs.append(client.release(message_id, addresses or None))
            if not as_json:
                click.echo(printable(_queued(jobs[-1])))
    finally:  # what has been queued is told, even if the next one can't be
        if as_json:
            print_json(jobs)


def _by_name(given: tuple[tuple[str, str], ...]) -> dict[str, str]:
    named = {name.lower(): value for name, value in given}
    if len(named) < len(given):
        raise click.UsageError("Name each header field once.")
    return named


def _print_message(message: Message, *, as_json: bool) -> None:
    if as_json:
        print_json(message)
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
        f"{mark} {message.id}  {_local(message.received)}  "
        f"<{message.envelope.reverse_path}> -> {recipients}  {subject}"
    )


def _queued(job: Job) -> str:
    recipients = ", ".join(recipient.address for recipient in job.recipients)
    return f"{job.message_id} queued for {recipients}"


def _lines(message: Message) -> Iterator[str]:
    """Give what stands above the text, a fact a line."""
    envelope, session = message.envelope, message.session
    yield f"id          {message.id}"
    if message.mailboxes:
        yield f"mailboxes   {', '.join(message.mailboxes)}"
    yield f"cursor      {message.cursor}"
    yield f"received    {_local(message.received)}, {message.size} bytes"
    yield f"mail from   <{envelope.reverse_path}>{_parameters(envelope.parameters)}"
    for recipient in envelope.recipients:
        yield f"rcpt to     <{recipient.address}>{_parameters(recipient.parameters)}"
    verb = "LHLO" if session.lmtp else "EHLO" if session.esmtp else "HELO"
    greeting = f", {verb} {session.helo}" if session.helo else ""
    yield f"client      {session.peer or 'unknown'}{greeting}"
    for verb, told in (("xclient", session.xclient), ("xforward", session.xforward)):
        if told:
            yield f"{verb:11} {' '.join(f'{name}={value}' for name, value in told.items())}"
    if session.via == "import":
        yield f"imported    {_derived(session.derived)}"
    elif session.via == "bounce":
        yield "bounce      made by the server, by a fault on purpose"
    elif session.via == "dsn":
        yield "dsn         made by the server, as NOTIFY=SUCCESS asked for it"
    else:
        yield f"listener    {session.listener} through {session.via} as {session.personality}"
    if session.node:
        yield f"node        {session.node}"
    if session.moved:
        yield f"moved       here from another inbox, {_local(session.moved)}"
    if session.tls_version:
        yield f"tls         {session.tls_version}, {session.tls_cipher}"
    if session.client_certificate:
        certificate = session.client_certificate
        yield f"certificate {certificate.subject} of {certificate.issuer}"
        yield f"            SHA-256 {certificate.sha256}"
    if session.login:
        yield f"login       {session.login}"
    for fault in session.faults:
        yield f"fault       {fault}"
    yield ""
    for field in message.content.headers:
        yield f"{field.name}: {field.text}"
    for attachment in message.content.attachments + message.content.inline:
        name = attachment.file_name or attachment.content_id or "(no name)"
        yield f"[attachment {name}, {attachment.content_type}, {attachment.size} bytes]"


def _derived(parts: Sequence[str]) -> str:
    """Say which parts of an imported message's envelope its header was asked for."""
    if not parts:
        return "with its envelope"
    return f"{' and '.join(parts)} of the envelope taken from the header"


def _parameters(given: Mapping[str, str | None]) -> str:
    return "".join(
        f" {name}" if value is None else f" {name}={value}" for name, value in given.items()
    )


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
