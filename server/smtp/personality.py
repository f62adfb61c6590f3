"""Personality: the wording and the keyword list of a server, read from data."""

from __future__ import annotations

import functools
import string
import tomllib
from importlib import resources
from typing import Any, Final, Literal

import msgspec

from bindpost.errors import ConfigError

from .reply import Reply

REPLY_KEYS: Final = frozenset(
    [
        "greeting",
        "greeting_plain",
        "access_denied",
        "too_many_connections",
        "shutting_down",
        "internal_error",
        "helo",
        "helo_missing",
        "ehlo",
        "ehlo_refused",
        "send_helo",
        "mail_ok",
        "mail_ok_size",
        "mail_syntax",
        "mail_nested",
        "mail_too_big",
        "malformed_address",
        "parameter_unknown",
        "parameter_bad",
        "rcpt_ok",
        "rcpt_syntax",
        "rcpt_too_many",
        "need_mail",
        "relay_denied",
        "data_start",
        "data_syntax",
        "need_rcpt",
        "message_ok",
        "message_too_big",
        "message_full",
        "message_failed",
        "rset",
        "noop",
        "help",
        "quit",
        "vrfy",
        "vrfy_ok",
        "vrfy_unknown",
        "vrfy_syntax",
        "expn",
        "not_implemented",
        "turn",
        "etrn",
        "etrn_syntax",
        "xexch50_start",
        "xexch50_done",
        "xexch50_syntax",
        "unknown_command",
        "bad_syntax",
        "line_too_long",
        "not_ascii",
        "too_many_bad",
        "too_many_times",
        "auth_ok",
        "auth_failed",
        "auth_already",
        "auth_syntax",
        "auth_unknown",
        "auth_aborted",
        "auth_not_base64",
        "auth_required",
        "auth_needs_tls",
        "starttls_ready",
        "starttls_syntax",
        "starttls_unavailable",
        "starttls_required",
        "insecure",
    ]
)
"""Every occasion on which a server speaks; a personality has words for each."""

CHUNKING_KEYS: Final = frozenset(
    ["bdat_ok", "bdat_syntax", "bdat_begun", "bdat_required", "bdat_failed"]
)
"""The further occasions of one that has the extension CHUNKING."""

Attested = Literal["text", "code", "no"]


class ReplyText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Words for one occasion.

    `attested`: `text` (code and text are in a primary source), `code` (the code only), `no` (our
    choice). `source` names the source. `{name}` in the text is filled in when it is said.
    """

    code: int
    text: str
    attested: Attested = "no"
    source: str = ""


class Personality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How a server speaks.

    `extensions` are EHLO's keyword lines in order; those that depend on a setting (`ETRN`, `AUTH`,
    `STARTTLS`, `SIZE`) are left out when it is off. `parameters` are the ESMTP parameters that MAIL
    and RCPT take.
    """

    name: str
    product: str
    build: str
    extensions: tuple[str, ...]
    mail_parameters: tuple[str, ...]
    rcpt_parameters: tuple[str, ...]
    auth_mechanisms: tuple[str, ...]
    reply: dict[str, ReplyText]
    helo_required: bool = False
    smtputf8: bool = False
    extends: str = ""
    """The personality that gave what this one does not say itself; empty = none."""
    announces_process_limit: bool = False
    """Whether SIZE tells the process's own bound when `ims.InboundSizeLimit` is 0 (IMS says 0)."""
    honours_dsn: bool = False
    """Whether DSN's parameters are checked in full, and NOTIFY=SUCCESS is answered (RFC 3461)."""

    def offers(self, keyword: str) -> bool:
        """Tell whether the keyword list has an extension."""
        return any(line.split()[0] == keyword for line in self.extensions)

    def say(self, occasion: str, **fields: object) -> Reply:
        """Give the reply for an occasion, with its fields filled in; no field makes a line."""
        words = self.reply[occasion]
        if "{" not in words.text:
            return Reply(words.code, tuple(words.text.split("\n")))
        return Reply(
            words.code, tuple([line.format_map(fields) for line in words.text.split("\n")])
        )


def names() -> list[str]:
    """Give the names of the personalities that there are."""
    folder = resources.files(__package__) / "personalities"
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


@functools.cache
def load(name: str) -> Personality:
    """
    Read a personality by its name.

    Raises `ConfigError` for an unknown name; an incomplete data file is a `ValueError`.
    """
    if name not in names():
        raise ConfigError(
            "personality", f"there is no personality {name!r}", hint=f"choose {', '.join(names())}"
        )
    personality = msgspec.convert(_read(name), Personality)
    check(personality)
    return personality


def _read(name: str) -> dict[str, Any]:
    """Give a personality's data, with what it does not say taken from the one that it extends."""
    text = (resources.files(__package__) / "personalities" / f"{name}.toml").read_text("utf-8")
    data = tomllib.loads(text)
    if "extends" not in data:
        return data
    base = _read(data["extends"])
    return base | data | {"reply": base["reply"] | data.get("reply", {})}


def occasions_of(personality: Personality) -> frozenset[str]:
    """Give the occasions on which a personality speaks."""
    return REPLY_KEYS | CHUNKING_KEYS if personality.offers("CHUNKING") else REPLY_KEYS


def check(personality: Personality) -> None:
    """Raise `ValueError` unless the data has words for every occasion, and only for those."""
    differing = occasions_of(personality) ^ personality.reply.keys()
    if differing:
        raise ValueError(f"{personality.name}: replies missing or unknown: {sorted(differing)}")
    for occasion, words in personality.reply.items():
        if not 200 <= words.code <= 599:
            raise ValueError(f"{personality.name}: {occasion} has the code {words.code}")
        list(string.Formatter().parse(words.text))
