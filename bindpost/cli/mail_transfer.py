"""`bindpost mail import` and `export`: mail from files into the inbox, and the other way."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import click
import msgspec

from bindpost.client import Client, ImportRefusedError, MessageNotFoundError

from . import mail_files
from .asking import client_of, in_mailbox, on_server
from .terminal import as_json_option, print_json, printable

_T = TypeVar("_T")
_WHOLE: Final = "An inbox is moved as a whole: leave --mailbox out."
_FILES: Final = click.Path(allow_dash=True, exists=True)


class Imported(msgspec.Struct, frozen=True):
    """A message that is in the inbox now; `derived` are the guessed parts of its envelope."""

    place: str
    id: str
    derived: tuple[str, ...]


class Refused(msgspec.Struct, frozen=True):
    """A message that the server would not take, and why."""

    place: str
    reason: str


class MovedInbox(msgspec.Struct):
    """How many messages of an inbox file are in the inbox now, and how many were there already."""

    place: str
    imported: int = 0
    there: int = 0


class Outcome(msgspec.Struct):
    """What came of an import."""

    imported: list[Imported] = []
    refused: list[Refused] = []
    inboxes: list[MovedInbox] = []


@click.command("import")
@click.argument("sources", metavar="FILE|DIR...", nargs=-1, required=True, type=_FILES)
@click.option("--from", "sender", metavar="ADDRESS", help="Sender of the envelope.")
@click.option(
    "--to",
    "recipients",
    metavar="ADDRESS",
    multiple=True,
    help="Recipient of the envelope; may be repeated.",
)
@as_json_option
@in_mailbox
@on_server
def import_(
    *,
    sources: tuple[str, ...],
    sender: str | None,
    recipients: tuple[str, ...],
    as_json: bool,
    mailbox: str | None,
    server: str | None,
) -> None:
    """
    Put mail from files into the inbox, byte for byte.

    A file is one message (.eml), an mbox or an inbox file, a folder a Maildir or one with *.eml and
    *.mbox in it, - is standard input. Without --from and --to the envelope is derived from the
    header, and marked so; an mbox tells the sender itself. An inbox file tells everything, and what
    is in the inbox already is left alone.
    """
    client = client_of(server, mailbox)
    outcome = Outcome()
    try:
        files = [file for source in sources for file in mail_files.files_of(source)]
        for file in _shown(files, "Importing"):
            for found in mail_files.read(file, sys.stdin.buffer):
                if isinstance(found, mail_files.FoundInbox):
                    if mailbox is not None:
                        raise click.UsageError(_WHOLE)
                    if sender is not None or recipients:
                        raise click.UsageError(
                            "An inbox file has envelopes: leave --from and --to out."
                        )
                    _restore(client, found, outcome)
                else:
                    _import(client, found, sender, recipients, outcome)
    finally:  # what is in the inbox is told, even if the next one can't be
        if as_json:
            print_json(outcome)
        else:
            imported = len(outcome.imported) + sum(inbox.imported for inbox in outcome.inboxes)
            there = sum(inbox.there for inbox in outcome.inboxes)
            notes = [f"{there} there already"] * bool(there)
            click.echo(", ".join([f"{_count(imported)} imported", *notes]))
    for refused in outcome.refused:
        click.echo(printable(f"{refused.place}: not imported: {refused.reason}"), err=True)
    if outcome.refused:
        raise click.ClickException(f"{_count(len(outcome.refused))} not imported")


def _import(
    client: Client,
    found: mail_files.Found,
    sender: str | None,
    recipients: Sequence[str],
    outcome: Outcome,
) -> None:
    told = found.sender if sender is None else sender
    try:
        row = client.import_message(found.raw, sender=told, recipients=recipients)
    except ImportRefusedError as error:
        outcome.refused.append(Refused(found.place, str(error)))
    else:
        outcome.imported.append(Imported(found.place, row.id, row.session.derived))


def _restore(client: Client, found: mail_files.FoundInbox, outcome: Outcome) -> None:
    from .inbox_import import restore

    outcome.inboxes.append(MovedInbox(found.place))
    for moved in restore(client, *found):
        outcome.inboxes[-1].imported += moved.imported
        outcome.inboxes[-1].there += moved.there


@click.command()
@click.argument("target", metavar="DIR|FILE", type=click.Path(allow_dash=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(mail_files.FORMATS),
    default="eml",
    show_default=True,
    help="A folder of .eml files, one mbox file, a Maildir, or one file that has everything.",
)
@click.option("--to", "recipient", metavar="ADDRESS", help="Only with this recipient.")
@click.option("--from", "sender", metavar="ADDRESS", help="Only from this sender.")
@click.option("--subject", metavar="TEXT", help="Only with this in the subject.")
@click.option(
    "--after", type=click.IntRange(min=0), metavar="CURSOR", help="Only messages behind this one."
)
@click.option(
    "--limit", type=click.IntRange(min=0), default=0, help="Only the newest; 0, as by default, all."
)
@in_mailbox
@on_server
def export(
    *,
    target: str,
    form: str,
    recipient: str | None,
    sender: str | None,
    subject: str | None,
    after: int | None,
    limit: int,
    mailbox: str | None,
    server: str | None,
) -> None:
    """
    Write messages to files, byte for byte, the oldest first.

    What a folder or an inbox file has already is left alone, so that the same command again adds
    what is new, and goes on where it was interrupted. An mbox file must not be there yet. - is
    standard output, for mbox and inbox.
    """
    if form == mail_files.INBOX_FORM and mailbox is not None:
        raise click.UsageError(_WHOLE)
    client = client_of(server, mailbox)
    which = {"recipient": recipient, "sender": sender, "subject": subject, "after": after}
    if form == mail_files.INBOX_FORM:
        _export_inbox(client, target, limit, which)
        return
    rows = client.messages(limit, recipient=recipient, sender=sender, subject=subject, after=after)
    written = there = gone = 0
    with mail_files.writer(form, Path(target), sys.stdout.buffer) as writer:
        for row in _shown(rows[::-1], "Exporting"):
            try:
                raw = client.raw(row.id)
            except MessageNotFoundError:  # deleted meanwhile
                gone += 1
                continue
            if writer.write(row, raw):
                written += 1
            else:
                there += 1
    _tell_written(target, written, there, gone)


def _export_inbox(
    client: Client, target: str, limit: int, which: Mapping[str, str | int | None]
) -> None:
    from .inbox_export import InboxFile, Pipe, export

    is_pipe = target == mail_files.STDIN
    place = Pipe(sys.stdout.buffer) if is_pipe else InboxFile(Path(target))
    with place:
        exported = export(client, place, limit, which)
    _tell_written(target, *exported)


def _tell_written(target: str, written: int, there: int, gone: int) -> None:
    notes = [f"{there} there already"] * bool(there) + [f"{gone} gone meanwhile"] * bool(gone)
    click.echo(", ".join([f"{_count(written)} written", *notes]), err=target == mail_files.STDIN)


def _shown(things: Sequence[_T], label: str) -> Iterator[_T]:
    """Give things one after the other, with a bar on standard error if that is a terminal."""
    if len(things) < 2 or not sys.stderr.isatty():
        yield from things
        return
    with click.progressbar(things, label=label, file=sys.stderr) as bar:
        yield from bar


def _count(number: int) -> str:
    return f"{number} {'message' if number == 1 else 'messages'}"
