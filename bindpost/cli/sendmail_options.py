"""The options of sendmail, as programs write them: joined, apart, in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from bindpost.errors import BindpostError

EX_USAGE: Final = 64
EX_DATAERR: Final = 65
EX_NOUSER: Final = 67
EX_UNAVAILABLE: Final = 69
EX_TEMPFAIL: Final = 75
"""Exit statuses of sysexits.h that programs look at."""

_WITH_VALUE: Final = "fFrBCDdhLMNOoRVXAp"
"""Letters that a value follows, joined or as the next argument, but for those below."""
_JOINED_ONLY: Final = "oBdAMpL"
"""Of these, letters whose value must be joined: the next argument is none of theirs."""
_PASSED_OVER: Final = "CDhLMNORVXAdmnUvGxp"
"""Letters that are about the queue, the protocol or debugging of a real sendmail."""

HELP: Final = """\
Usage: bindpost sendmail [OPTION]... [RECIPIENT]...

  Sends the message on standard input, as sendmail does, to the first listener
  of the settings or to --server. Exit statuses are those of sysexits.h.

Options:
  -t                  Take recipients from To, Cc and Bcc too; Bcc is removed.
  -f ADDRESS, -r      Sender of the envelope; else this user at this host.
  -F NAME             The sender's name, if the message has no From.
  -i, -oi             A line with a single dot doesn't end the message.
  -bs                 Speak SMTP on standard input and output.
  --server HOST:PORT  Where to send; also unix:/path.
  --help              Show this message.

  Options about the queue, delivery and debugging (-o..., -B, -N, -q, -v ...)
  are taken and passed over."""


class SendmailError(BindpostError):
    """A message was not sent; the exit status is one of sysexits.h."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(slots=True)
class Options:
    """
    What was asked for.

    `sender` is None when none was named, empty for the null sender. `server` is empty for that of
    the settings.
    """

    recipients: list[str] = field(default_factory=list)
    sender: str | None = None
    full_name: str = ""
    from_header: bool = False
    ignore_dots: bool = False
    is_dialog: bool = False
    server: str = ""


def parse(arguments: Sequence[str]) -> Options:
    """Read the arguments. Raises `SendmailError` for what can't be done here."""
    options = Options()
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            options.recipients += rest
        elif argument == "--server" or argument.startswith("--server="):
            _, joined, value = argument.partition("=")
            options.server = value if joined else _next(rest, argument)
        elif argument.startswith("--"):
            raise SendmailError(f"there is no option {argument}; see --help", EX_USAGE)
        elif argument.startswith("-") and argument != "-":
            _read_letters(options, argument[1:], rest)
        else:
            options.recipients.append(argument)
    return options


def _read_letters(options: Options, letters: str, rest: Iterator[str]) -> None:
    """Read what follows a hyphen: `ti`, `fjane@example.test`, `oi`, `bs`."""
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter == "t":
            options.from_header = True
        elif letter == "i":
            options.ignore_dots = True
        elif letter == "b":
            _choose_mode(options, letters)
            return
        elif letter == "q":  # a run of the queue: there is none
            return
        elif letter in _WITH_VALUE:
            value = letters if letters or letter in _JOINED_ONLY else _next(rest, f"-{letter}")
            _take(options, letter, value)
            return
        elif letter not in _PASSED_OVER:
            raise SendmailError(f"there is no option -{letter}; see --help", EX_USAGE)


def _take(options: Options, letter: str, value: str) -> None:
    if letter in "fr":
        options.sender = value.strip().removeprefix("<").removesuffix(">")
    elif letter == "F":
        options.full_name = value
    elif letter == "o" and value.startswith("i"):
        options.ignore_dots = True


def _choose_mode(options: Options, mode: str) -> None:
    if mode == "s":
        options.is_dialog = True
    elif mode != "m":
        raise SendmailError(
            f"there is no -b{mode} here: bindpost has no queue and no aliases; -bm sends, "
            "-bs speaks SMTP, and `bindpost serve` listens",
            EX_USAGE,
        )


def _next(rest: Iterator[str], option: str) -> str:
    value = next(rest, None)
    if value is None:
        raise SendmailError(f"{option} needs a value", EX_USAGE)
    return value
