"""The model of a fault on purpose: where it strikes, whom, how often, and what it does."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from msgspec import Meta

from .kinds import Table

Stage = Literal[
    "accept",
    "banner",
    "HELO",
    "EHLO",
    "MAIL",
    "RCPT",
    "DATA",
    "in-data",
    "end-of-data",
    "RSET",
    "QUIT",
    "AUTH",
    "STARTTLS",
    "TLS",
    "idle",
    "after-acceptance",
    "bind",
]
Action = Literal[
    "reply",
    "delay",
    "stall",
    "drop",
    "reset",
    "half-close",
    "slow",
    "split",
    "double",
    "garble",
    "swallow",
    "hide",
    "invent",
    "greylist",
    "rate-limit",
    "tls-expired",
    "tls-wrong-name",
    "tls-untrusted",
    "tls-broken",
    "tls-drop",
    "lose",
    "duplicate",
    "corrupt",
    "bounce",
    "bind-error",
]

STAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accept": "A client has connected; nothing is said yet. Where TLS begins with the first "
        "byte it has begun.",
        "banner": "The greeting is to be said.",
        "HELO": "HELO.",
        "EHLO": "EHLO.",
        "MAIL": "MAIL.",
        "RCPT": "RCPT within a transaction; `when.recipient` is the one that it names.",
        "DATA": "DATA after a good RCPT; a message by BDAT has none.",
        "in-data": "The message is coming: when `bytes` octets of it have come.",
        "end-of-data": "The final dot has come, or the last chunk; nothing is kept yet. In LMTP it "
        "comes for each recipient, and `when.recipient` is the one that is to be answered for.",
        "RSET": "RSET.",
        "QUIT": "QUIT.",
        "AUTH": "Name and password have come; `when.login` is that name.",
        "STARTTLS": "STARTTLS, where it is offered.",
        "TLS": "TLS is to begin: with the first byte where `tls` is `implicit`, else by STARTTLS, "
        "before its 220.",
        "idle": "The client has said nothing for `seconds` after a reply.",
        "after-acceptance": "The message is answered with 250; something becomes of it.",
        "bind": "A listener is to be bound.",
    }
)
"""What each stage is."""

ACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "reply": "Say `code`, `enhanced` and `text`. From 400 on the command is not carried out, "
        "and 421 closes the connection; below 400 it is, and only the words are others.",
        "delay": "Wait for `seconds`, then go on.",
        "stall": "Say nothing until the client goes or `seconds` are over, then close.",
        "drop": "Close the connection in good order (FIN); what still comes is taken for up to two "
        "seconds.",
        "reset": "Close it with a reset (RST).",
        "half-close": "Send no more, but take what comes until the client goes.",
        "slow": "Send the reply in pieces of `bytes` octets, a pause of `seconds` after each; "
        "at in-data: take the message so slowly.",
        "split": "Send the first `bytes` octets of the reply, and the rest `seconds` later.",
        "double": "Send the reply twice.",
        "garble": "Send the reply with the highest bit of each octet turned, but for CRLF.",
        "swallow": "Do what the command asks for, and send no reply.",
        "hide": "Leave `keyword` out of the reply to EHLO.",
        "invent": "Add `keyword`, a whole line, to the reply to EHLO.",
        "greylist": "Refuse with `code` until `seconds` have gone since the first attempt of the "
        "same client's address, sender and recipient.",
        "rate-limit": "Refuse with `code` what a client's address does more than `limit` times "
        "in `seconds`.",
        "tls-expired": "Shake hands with a certificate that ended yesterday.",
        "tls-wrong-name": "Shake hands with a certificate for another host.",
        "tls-untrusted": "Shake hands with a certificate of an authority that nobody knows.",
        "tls-broken": "Say 220, and answer the handshake with what is no TLS.",
        "tls-drop": "Say 220, and close; where TLS begins with the first byte: close in the middle "
        "of the handshake.",
        "lose": "Keep nothing: the message is gone.",
        "duplicate": "Keep the message twice.",
        "corrupt": "Keep the message with about one octet in a hundred of its body changed.",
        "bounce": "Keep it, and after `seconds` send its sender a delivery status notification "
        "(RFC 3464): by the relay if there is one, else into the inbox.",
        "bind-error": "Let the bind fail with `wsa_error`.",
    }
)
"""What each action does."""

ENDS: Final = ("stall", "drop", "reset", "half-close")
"""Actions that end a session."""
_MANNERS: Final = ("slow", "split", "double", "garble", "swallow")
_COMMAND: Final = ("reply", "delay", *ENDS, *_MANNERS, "rate-limit")
_TLS: Final = ("tls-expired", "tls-wrong-name", "tls-untrusted", "tls-broken", "tls-drop")

ALLOWED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "accept": ("reply", "delay", *ENDS, "rate-limit"),
        "banner": ("reply", "delay", *ENDS, *_MANNERS),
        "HELO": _COMMAND,
        "EHLO": (*_COMMAND, "hide", "invent"),
        "MAIL": _COMMAND,
        "RCPT": (*_COMMAND, "greylist"),
        "DATA": _COMMAND,
        "in-data": ("delay", *ENDS, "slow"),
        "end-of-data": _COMMAND,
        "RSET": _COMMAND,
        "QUIT": _COMMAND,
        "AUTH": _COMMAND,
        "STARTTLS": ("reply", "delay", *ENDS, *_TLS),
        "TLS": ("delay", *ENDS, *_TLS),
        "idle": ("reply", "drop", "reset"),
        "after-acceptance": ("lose", "duplicate", "corrupt", "bounce"),
        "bind": ("bind-error",),
    }
)
"""The actions that a stage may have."""

ORDER: Final[tuple[Stage, ...]] = (
    *("bind", "accept", "banner", "HELO", "EHLO", "STARTTLS", "TLS", "AUTH", "MAIL", "RCPT"),
    *("DATA", "RSET", "QUIT", "idle", "in-data", "end-of-data", "after-acceptance"),
)
"""
The stages by what is known at them, in a session that takes its ordinary course.

RSET, QUIT and idle may come at any time, so all may be known but the message. TLS stands where
STARTTLS brings it.
"""
KNOWN_FROM: Final[Mapping[str, Stage]] = MappingProxyType(
    {
        "listener": "bind",
        "peer": "accept",
        "tls": "accept",
        "helo": "HELO",
        "login": "AUTH",
        "sender": "MAIL",
        "recipient": "RCPT",
        "subject": "end-of-data",
        "header": "end-of-data",
        "larger_than": "end-of-data",
        "smaller_than": "end-of-data",
    }
)
"""From which stage on, in that order, a condition can hold."""
BEFORE_TLS: Final = ("STARTTLS", "TLS")
"""Stages at which no session is encrypted yet."""

_SPEAKING: Final = ("reply", "greylist", "rate-limit", "bounce")
TAKEN_BY: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "code": _SPEAKING,
        "enhanced": _SPEAKING,
        "text": _SPEAKING,
        "seconds": (
            *("delay", "stall", "half-close", "slow", "split"),
            *("greylist", "rate-limit", "bounce", "idle"),
        ),
        "bytes": ("slow", "split", "in-data"),
        "limit": ("rate-limit",),
        "keyword": ("hide", "invent"),
        "wsa_error": ("bind-error",),
    }
)
"""The actions, and stages, for which a key means something; the others mean it for every rule."""

DEFAULT_CODES: Final[Mapping[str, int]] = MappingProxyType(
    {"accept": 421, "banner": 421, "idle": 421, "AUTH": 454, "STARTTLS": 454}
)
"""Codes where a rule has none; 451 elsewhere."""
DEFAULT_SECONDS: Final[Mapping[str, float]] = MappingProxyType(
    {"delay": 1.0, "slow": 0.1, "split": 0.1, "greylist": 300.0, "rate-limit": 60.0}
)
"""Seconds where a rule has none; 0 elsewhere."""
IDLE_SECONDS: Final = 10.0
"""Seconds of silence where a rule of the stage idle has none."""


class When(Table, frozen=True, kw_only=True):
    """
    Whom a fault strikes; all that is said must hold.

    A text is compared as a whole and without case; with `*` or `?` in it, it is a pattern; between
    two `/` it is one of RE2's, which may match anywhere.
    """

    sender: Annotated[str, Meta(description="The envelope's sender; `<>` = the null one.")] = ""
    recipient: Annotated[
        str, Meta(description="A recipient of the envelope: a mailbox, or *@example.org.")
    ] = ""
    helo: Annotated[str, Meta(description="The name that the client gave in EHLO or HELO.")] = ""
    peer: Annotated[str, Meta(description="The client's address, without its port.")] = ""
    login: Annotated[str, Meta(description="The name that the client has logged in with.")] = ""
    listener: Annotated[str, Meta(description="The listener's endpoint, as in the settings.")] = ""
    tls: Annotated[
        Literal["any", "yes", "no"], Meta(description="Whether the session is encrypted.")
    ] = "any"
    subject: Annotated[str, Meta(description="The message's subject, decoded.")] = ""
    header: Annotated[
        str, Meta(description="`NAME: TEXT` of a field of the message's header, decoded.")
    ] = ""
    larger_than: Annotated[int, Meta(ge=0, description="The message has more octets; 0 = any.")] = 0
    smaller_than: Annotated[
        int, Meta(ge=0, description="The message has fewer octets; 0 = any.")
    ] = 0


class Fault(Table, frozen=True, kw_only=True):
    """A fault on purpose, `[[fault]]` (docs/faults.md)."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[\w.-]*$(?!\n)",
            extra={"kind": "name"},
            max_length=100,
            description="Its name in the log and the API; empty = one is made.",
        ),
    ] = ""
    stage: Annotated[Stage, Meta(description="Where in a session it strikes.")]
    action: Annotated[Action, Meta(description="What is done.")]
    when: When = When()
    nth: Annotated[
        int, Meta(ge=0, description="Only the nth time that all this is met; 0 = each time.")
    ] = 0
    every: Annotated[int, Meta(ge=0, description="Only every nth time; 0 = each time.")] = 0
    probability: Annotated[
        float, Meta(ge=0, le=1, description="How likely it is then, from 0 to 1.")
    ] = 1.0
    seed: Annotated[
        int, Meta(description="The same seed and the same traffic give the same faults.")
    ] = 0
    count: Annotated[int, Meta(ge=0, description="How often at most; 0 = no limit.")] = 0
    expires: Annotated[
        float, Meta(ge=0, description="Seconds after which the rule is gone; 0 = it stays.")
    ] = 0.0
    code: Annotated[
        int,
        Meta(
            ge=0,
            le=599,
            description="The reply's code, 200 to 599; 0 = 421 at accept, banner and idle, 454 at "
            "AUTH and STARTTLS, else 451.",
        ),
    ] = 0
    enhanced: Annotated[
        str,
        Meta(
            pattern=r"^([245]\.\d{1,3}\.\d{1,3})?$(?!\n)",
            extra={"kind": "enhanced"},
            description="The reply's enhanced code, 4.7.1 for instance; empty = none.",
        ),
    ] = ""
    text: Annotated[
        str,
        Meta(
            max_length=2000,
            description="The reply's text; a line break begins a new line.",
            extra={"kind": "text"},
        ),
    ] = "Fault on purpose"
    seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=86400,
            description="Time of delay, stall, slow, split, greylist, rate-limit, bounce and the "
            "stage idle; 0 = 1, the client's, 0.1, 0.1, 300, 60, 0 and 10.",
        ),
    ] = 0.0
    bytes: Annotated[
        int, Meta(ge=0, description="Octets of slow, split and the stage in-data; 0 = 1, 1, 0.")
    ] = 0
    limit: Annotated[int, Meta(ge=0, description="How often rate-limit allows it.")] = 10
    keyword: Annotated[
        str,
        Meta(
            pattern=r"^[ -~]*$(?!\n)",
            max_length=500,
            description="Of hide and invent.",
            extra={"kind": "printable"},
        ),
    ] = ""
    wsa_error: Annotated[int, Meta(ge=1, le=65535, description="Winsock code of bind-error.")] = (
        10050
    )


def problem_of(fault: Fault) -> str:
    """Say what is wrong with a rule that has all the right types; an empty string if nothing is."""
    if fault.action not in ALLOWED[fault.stage]:
        allowed = ", ".join(ALLOWED[fault.stage])
        return f"the stage {fault.stage} has no action {fault.action}; it has {allowed}"
    if 0 < fault.code < 200:
        return f"the code {fault.code} is no SMTP reply; it must be from 200 to 599"
    if fault.action in ("greylist", "rate-limit") and 0 < fault.code < 400:
        return f"{fault.action} refuses, so its code must be from 400 to 599"
    if fault.stage in ("accept", "STARTTLS", "idle") and 0 < fault.code < 400:
        return f"a reply at {fault.stage} refuses, so its code must be from 400 to 599"
    if fault.action in ("hide", "invent") and not fault.keyword.strip():
        return f"{fault.action} needs a keyword"
    if fault.when.header and ":" not in fault.when.header:
        return f"when.header is {fault.when.header!r}; write NAME: TEXT"
    if early := too_early(fault):
        condition, first = next(iter(early.items()))
        return (
            f"{summary_of(fault)} can't depend on when.{condition}, "
            f"which can hold from the stage {first} on"
        )
    return ""


def too_early(fault: Fault) -> Mapping[str, Stage]:
    """Give the conditions of a rule that can't hold yet at its stage, and where they first can."""
    when, place = fault.when, ORDER.index(fault.stage)
    early = {name: first for name, first in KNOWN_FROM.items() if place < ORDER.index(first)}
    if when.tls == "yes" and fault.stage in BEFORE_TLS:
        early["tls"] = "AUTH"
    return {name: first for name, first in early.items() if name in said(when)}


def said(when: When) -> Mapping[str, str | int]:
    """Give what a condition says, without what it leaves open."""
    default = When()
    told = {name: getattr(when, name) for name in When.__struct_fields__}
    return {name: value for name, value in told.items() if value != getattr(default, name)}


def takes(fault: Fault, key: str) -> bool:
    """Say whether a key means something for a rule."""
    return key not in TAKEN_BY or not {fault.action, fault.stage}.isdisjoint(TAKEN_BY[key])


def code_of(fault: Fault) -> int:
    """Give the code that a rule refuses with."""
    return fault.code or DEFAULT_CODES.get(fault.stage, 451)


def seconds_of(fault: Fault) -> float:
    """Give the time of a rule."""
    if fault.stage == "idle":
        return fault.seconds or IDLE_SECONDS
    return fault.seconds or DEFAULT_SECONDS.get(fault.action, 0.0)


def octets_of(fault: Fault) -> int:
    """Give how many octets of a message come before a rule of the stage in-data strikes."""
    return 0 if fault.action == "slow" else fault.bytes


def summary_of(fault: Fault) -> str:
    """Say in a few words what a rule does: `reply 451 at RCPT`."""
    told: dict[str, object] = {}
    if fault.action in ("reply", "greylist", "rate-limit"):
        told["code"] = code_of(fault)
    elif fault.action in ("hide", "invent"):
        told["keyword"] = fault.keyword
    elif fault.action == "bind-error":
        told["error"] = fault.wsa_error
    elif seconds := seconds_of(fault):
        told["seconds"] = f"{seconds:g} s"
    words = [fault.action, *map(str, told.values())]
    return f"{' '.join(words)} at {fault.stage}"
