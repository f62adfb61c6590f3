"""
No field is injected: whatever comes by any API, a header has the fields that it was to have.

Each line break that some reader takes for one is tried: CR, LF, both, NUL, the old control
characters of `str.splitlines`, and Unicode's separators.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bindpost.cli.sendmail_message import Draft as Submission
from bindpost.config.fault import Fault
from bindpost.server.durable.patterns import Patterns
from bindpost.server.faults.dsn import failure_by, notification
from bindpost.server.message.model import Envelope, Message, Recipient, SessionFacts
from bindpost.server.message.tags import clean_tags
from bindpost.server.outgoing.target import Target
from bindpost.server.relay.addresses import check_released
from bindpost.server.smtp.personality import load
from bindpost.server.smtp.phrases import Phrasebook
from bindpost.server.smtp.reply import Reply
from bindpost.server.web.composing import Draft, Enclosure, Mailbox, compose
from bindpost.server.web.display import PartContent
from bindpost.server.web.mailpit_message import inline, media_type

from .smtp_session import run

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BREAKS = (
    *("\r\n", "\r", "\n", "\r\r\n", "\n\r", "\0", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"),
    *("\x85", "\u2028", "\u2029"),
)
INJECTED = "X-Injected: yes"
"""What an attacker would have as a field."""
pieces = st.sampled_from(
    [*BREAKS, INJECTED, "a", " ", "\t", "é", '"', "\\", "<b@c.test>", ": ", "%0d"]
)
hostile = st.lists(pieces, min_size=1, max_size=6).map("".join)
attacks = st.builds(
    "{0}{1}{2}{1}x".format,
    st.sampled_from(["a", "a@b.test", ""]),
    st.sampled_from(BREAKS),
    st.just(INJECTED),
)
texts = hostile | attacks
"""Texts that have a break in them as a rule, and a field behind it."""


def names_of(raw: bytes) -> list[bytes]:
    """Give the names of the header's fields as the most lenient reader sees them."""
    header = raw.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    return [
        line.partition(":")[0].lower().encode()
        for line in header.splitlines()
        if not line.startswith((" ", "\t"))
    ]


# What a client of the HTTP API wants sent


def _drafted(**fields: Any) -> Draft:
    plain = {"from_": Mailbox("from@a.test"), "to": [Mailbox("to@b.test")], "text": "hello"}
    return Draft(**{**plain, **fields})


DRAFTS: dict[str, Callable[[str], Draft]] = {
    "from": lambda text: _drafted(from_=Mailbox(text)),
    "from-name": lambda text: _drafted(from_=Mailbox("a@b.test", text)),
    "to": lambda text: _drafted(to=[Mailbox(text)]),
    "to-name": lambda text: _drafted(to=[Mailbox("a@b.test", text)]),
    "cc": lambda text: _drafted(cc=[Mailbox(text, text)]),
    "bcc": lambda text: _drafted(bcc=[text]),
    "reply-to": lambda text: _drafted(replyto=[Mailbox("a@b.test", text)]),
    "subject": lambda text: _drafted(subject=text),
    "tags": lambda text: _drafted(tags=[text, "good"]),
    "header": lambda text: _drafted(headers={"X-Good": text}),
    "header-name": lambda text: _drafted(headers={text: "good"}),
    "message-id": lambda text: _drafted(headers={"Message-ID": text}),
    "file-name": lambda text: _drafted(attachments=[Enclosure("eA==", text)]),
    "content-type": lambda text: _drafted(attachments=[Enclosure("eA==", "a.txt", text)]),
    "content-id": lambda text: _drafted(html="x", attachments=[Enclosure("eA==", "a", "", text)]),
}


@pytest.mark.parametrize("place", DRAFTS)
@given(text=texts)
def test_no_field_gets_into_a_message_that_is_composed(place: str, text: str) -> None:
    """It is refused with a sentence, or stays within the field that it was given for."""
    try:
        raw = compose(DRAFTS[place](text), NOW)
    except ValueError:
        return

    assert b"x-injected" not in names_of(raw)
    assert len(names_of(raw)) == len(set(names_of(raw)))
    for part in raw.split(b"\r\n--")[1:]:  # the headers of attachments
        assert b"x-injected" not in names_of(part.partition(b"\r\n")[2])
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", raw.partition(b"\r\n\r\n")[0])


@given(name=texts, subject=st.just(b"Subject: x"))
def test_no_field_gets_into_what_sendmail_completes(name: str, subject: bytes) -> None:
    """`sendmail -F NAME` may be called by a web page that was told the name."""
    draft = Submission((("subject", subject),), b"hello\r\n")

    raw = draft.completed(sender="a@b.test", full_name=name, host="mx.test")

    assert names_of(raw) == [b"subject", b"from", b"date", b"message-id"]


# What goes on to others


@given(address=texts)
def test_no_address_that_is_released_brings_a_command_along(address: str) -> None:
    """A release that names it is refused; so it never gets to the relay."""
    try:
        (recipient,) = check_released([Recipient(address)], Patterns(()))
    except ValueError:
        return

    assert len(f"RCPT TO:<{recipient.address}>".splitlines()) == 1


FIELDS_OF_A_BOUNCE = [
    *(b"from", b"to", b"subject", b"date", b"message-id", b"auto-submitted", b"mime-version"),
    b"content-type",
]
paths = st.builds("<{}@b.test>".format, texts) | st.builds("<{}>".format, texts) | texts


def _status_of(bounce: bytes) -> list[bytes]:
    part = bounce.partition(b"message/delivery-status\r\n\r\n")[2].partition(b"\r\n--")[0]
    groups = part.decode("utf-8", "replace").splitlines()
    return [line.partition(":")[0].encode() for line in groups if line]


@given(sender=paths, recipient=paths, envelope_id=texts, words=texts, hostname=texts)
def test_no_field_gets_into_a_bounce(
    sender: str, recipient: str, envelope_id: str, words: str, hostname: str
) -> None:
    """Neither by SMTP's envelope, nor by the words of a rule, nor by the server's name."""
    dialogue = (
        f"EHLO c\r\nMAIL FROM:{sender} RET=HDRS ENVID={envelope_id} SMTPUTF8\r\n"
        f"RCPT TO:{recipient} ORCPT=rfc822;{envelope_id}\r\nRCPT TO:<c@d.test>\r\n"
        "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n"
    )
    outcome = run("plain", [dialogue.encode()])
    assume(outcome.envelopes)
    (envelope, *_) = outcome.envelopes
    assert isinstance(envelope, Envelope)
    assume(envelope.reverse_path)
    fault = Fault(stage="after-acceptance", action="bounce", text=words)
    message = Message("0" * 22, NOW, envelope, _facts(), b"Subject: x\r\n\r\n")

    bounce = notification(message, failure_by(fault), hostname=hostname, now=NOW)

    assert names_of(bounce) == FIELDS_OF_A_BOUNCE
    assert set(_status_of(bounce)) <= {
        *(b"Original-Envelope-Id", b"Reporting-MTA", b"Arrival-Date", b"Original-Recipient"),
        *(b"Final-Recipient", b"Action", b"Status", b"Diagnostic-Code"),
    }


def _facts() -> SessionFacts:
    return SessionFacts(
        session_id="s", started=NOW, listener="l", via="direct:", personality="plain"
    )


@pytest.mark.parametrize("field", ["name", "enhanced", "keyword"])
@given(end=st.sampled_from(BREAKS))
def test_no_rule_has_a_line_break_in_a_word(field: str, end: str) -> None:
    """Not even at its end, where `$` of a pattern would let one through."""
    good = {"name": "x", "enhanced": "4.7.1", "keyword": "SIZE"}[field]
    rule = {"stage": "EHLO", "action": "hide", field: good + end}

    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert(rule, Fault)


@given(tags=st.lists(texts, max_size=5))
def test_no_tag_has_a_line_break(tags: list[str]) -> None:
    """Tags get into X-Tags, into pages and into what is exported."""
    assert all(re.fullmatch(r"[A-Za-z0-9 ._@-]+", tag) for tag in clean_tags(tags))


@given(
    before=st.sampled_from(["http://", "http://a.test", "http://a.test:80", "http://a.test/x?y="]),
    text=texts,
)
def test_no_url_brings_a_field_along(before: str, text: str) -> None:
    """Webhooks and links are asked for by URLs; a link's was written by a stranger."""
    try:
        target = Target.parse(before + text)
    except ValueError:
        return

    assert re.fullmatch(r"[!-~]+", target.authority)
    assert re.fullmatch(r"[!-~]+", target.path)


# What a browser gets


@given(name=texts)
def test_no_file_name_gets_out_of_its_header(name: str) -> None:
    """A download's name is percent-encoded, whatever a mail called it."""
    header = inline(name)

    assert re.fullmatch(r"""inline; filename="[!#-~]*"; filename\*=UTF-8''[!-~]*""", header)


@given(kind=texts, charset=texts)
def test_no_content_type_gets_out_of_its_header(kind: str, charset: str) -> None:
    """What a part says of itself comes back only if it is a media type."""
    for content_type in (kind, f"text/{kind}", "text/plain"):
        part = PartContent(content=b"", content_type=content_type, charset=charset, file_name="")

        header = media_type(part)

        assert header.isascii()
        assert header.isprintable()


# What an SMTP client gets


@given(code=st.integers(200, 599), lines=st.lists(texts, min_size=1, max_size=3))
def test_no_reply_ends_early(code: int, lines: list[str]) -> None:
    """However many breaks are in its texts, a reply has as many lines as it has texts."""
    said = Reply(code, tuple(lines)).encode()

    assert said.count(b"\r") == said.count(b"\n") == said.count(b"\r\n") == len(lines)
    assert re.findall(rb"^\d{3}(.)", said, re.MULTILINE) == [b"-"] * (len(lines) - 1) + [b" "]


@given(occasion=st.sampled_from(["malformed_address", "parameter_bad", "vrfy"]), text=texts)
def test_no_argument_ends_a_reply(occasion: str, text: str) -> None:
    """What a client said comes back in a reply in some places."""
    phrases = Phrasebook(load("plain"), {"hostname": "mx.test"})

    said = phrases.say(occasion, {"argument": text}).encode()

    assert said.count(b"\n") == said.count(b"\r") == 1
