"""Parsing for display."""

from __future__ import annotations

import email.headerregistry
import hashlib
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.message.addresses import COUNT_LIMIT, Address
from bindpost.server.message.mime import DEPTH_LIMIT, PART_LIMIT
from bindpost.server.message.parse import TEXT_LIMIT, ParsedMessage, parse


def part(content_type: str, body: bytes = b"x", **fields: str) -> bytes:
    """Give a message, or a part of one, of this type."""
    lines = [f"Content-Type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def multipart(*parts: bytes, kind: str = "mixed", boundary: str = "b") -> bytes:
    """Give a multipart of these parts."""
    delimiter = b"\r\n--" + boundary.encode()
    body = b"preamble" + b"".join(delimiter + b"\r\n" + inner for inner in parts)
    return part(f'multipart/{kind}; boundary="{boundary}"', body + delimiter + b"--\r\nepilogue")


def assert_valid(message: ParsedMessage) -> None:
    """All text is valid Unicode."""
    mailboxes = message.from_ + message.to + message.cc + message.bcc + message.reply_to
    texts = [
        *(message.subject, message.text, message.html, message.snippet, message.message_id),
        *(text for field in message.headers for text in (field.name, field.raw, field.text)),
        *(text for mailbox in mailboxes for text in (mailbox.name, mailbox.address)),
        *(found.file_name for found in message.attachments + message.inline),
        *(found.content_id for found in message.attachments + message.inline),
    ]
    for text in texts:
        text.encode("utf-8")


def test_header_fields_are_decoded() -> None:
    """Subject, addresses, Message-ID and date are read and decoded."""
    message = parse(
        b"Subject: =?utf-8?q?Gr=C3=BC?= =?utf-8?b?w59l?=\r\n"
        b'From: "Doe, Jane" <jane@example.com>\r\n'
        b"To: =?iso-8859-1?q?J=FCrgen?= <j@example.com>,\r\n carol@example.com (Carol)\r\n"
        b"Reply-To: answers@example.com\r\nMessage-ID: <m1@example.com>\r\n"
        b"Date: Sun, 01 Mar 2026 12:30:05 +0100\r\n\r\n"
    )

    assert message.subject == "Grüße"
    assert message.from_ == (Address("Doe, Jane", "jane@example.com"),)
    assert message.to == (
        Address("Jürgen", "j@example.com"),
        Address("Carol", "carol@example.com"),
    )
    assert message.reply_to == (Address("", "answers@example.com"),)
    assert message.message_id == "m1@example.com"
    assert message.date == datetime(2026, 3, 1, 12, 30, 5, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("field", "mailboxes"),
    [
        ("", []),
        ("<>", []),
        ("undisclosed-recipients:;", []),
        ("Team: a@x, Bob <b@x>;, c@x", [("", "a@x"), ("Bob", "b@x"), ("", "c@x")]),
        ("a@x,, ,b@x", [("", "a@x"), ("", "b@x")]),
        ("just a name", [("just a name", "")]),
        ('"a \\"b\\" c" <d@x>', [('a "b" c', "d@x")]),
        ('"with @ and , in" <d@x>', [("with @ and , in", "d@x")]),
        ('"quoted local"@x', [("", '"quoted local"@x')]),
        ("<@relay,@other:user@x>", [("", "user@x")]),
        ("user@[IPv6:2001:db8::1]", [("", "user@[IPv6:2001:db8::1]")]),
        ("Joe (the (inner) man) <j@x>", [("Joe", "j@x")]),
        ("jürgen@bücher.example", [("", "jürgen@bücher.example")]),
        ('"=?utf-8?q?J=C3=BC?=" <j@x>', [("Jü", "j@x")]),
        ("=?utf-8?q?Doe=2C_J?= <j@x>", [("Doe, J", "j@x")]),
        ("open <j@x", [("open", "j@x")]),
        ('"open <j@x>', [("", '"open <j@x>')]),
        ("[Team] Box <t@x>", [("[Team] Box", "t@x")]),
        ("a@x\x00\x1b[31m", [("", "a@x [31m")]),
    ],
)
def test_addresses_are_read_leniently(field: str, mailboxes: list[tuple[str, str]]) -> None:
    """Each mailbox is told into name and address, and nothing raises or gets lost."""
    assert parse(f"To: {field}\r\n\r\n".encode()).to == tuple(Address(*pair) for pair in mailboxes)


def test_very_long_address_lists_are_cut() -> None:
    """No more than so many addresses of a field are given."""
    message = parse(b"To: " + b"a@x," * (COUNT_LIMIT + 5) + b"\r\n\r\n")

    assert len(message.to) == COUNT_LIMIT


@pytest.mark.parametrize(
    "date", ["", "yesterday", "32 Foo 2026", "1 Jan 99999 00:00:00 +9999", "0" * 5000, "((((("]
)
def test_an_unreadable_date_is_none(date: str) -> None:
    """A date that can't be understood is no date."""
    assert parse(f"Date: {date}\r\n\r\n".encode()).date is None


def test_a_date_without_zone_is_utc() -> None:
    """`-0000` says that the zone is not known (RFC 5322, 3.3); the date is aware all the same."""
    message = parse(b"Date: 1 Mar 2026 12:00:00 -0000\r\n\r\n")

    assert message.date == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("Grüße".encode(), "utf-8", "Grüße"),
        ("Grüße".encode("latin-1"), "iso-8859-1", "Grüße"),
        ("Grüße".encode(), "", "Grüße"),
        ("Grüße".encode("cp1252"), "us-ascii", "Grüße"),
        ("€".encode("cp1252"), "iso-8859-1", "€"),
        ("日本".encode("iso-2022-jp"), "ISO-2022-JP", "日本"),
        ("漢字".encode("gb18030"), "gb2312", "漢字"),
        ("한글".encode("cp949"), "ks_c_5601-1987", "한글"),
        ("Grüße".encode(), "no-such-charset", "Grüße"),
        (b"a\xffb", "no-such-charset", "a\ufffdb"),
        (b"a\xffb", "utf-8", "a\ufffdb"),
        (b"\\ud800", "unicode_escape", "\\ud800"),
        (b"+2AA-", "utf-7", "\ufffd"),
        (b"x", "base64", "x"),
        (b"x", "rot13", "x"),
        (b"x", "\xff", "x"),
        (b"x", "c" * 10_000, "x"),
    ],
)
def test_charsets_give_valid_unicode(body: bytes, charset: str, text: str) -> None:
    """Known charsets are decoded, unknown ones are shown with replacement."""
    raw = part(f'text/plain; charset="{charset}"', body)

    assert parse(raw).text == text


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("base64", b"R3LDvMOfZQ==", "Grüße"),
        ("base64", b"R3LD\r\nvM Of!ZQ", "Grüße"),
        ("BASE64", b"YQ==trailing", "a"),
        ("base64", b"A", ""),
        ("quoted-printable", b"Gr=C3=BC=C3=9Fe=\r\n!", "Grüße!"),
        ("quoted-printable", b"a=ZZb=", "a=ZZb"),
        ("7bit", b"a=C3", "a=C3"),
        ("x-unknown", b"a", "a"),
    ],
)
def test_transfer_encodings_are_undone(encoding: str, body: bytes, text: str) -> None:
    """base64 and quoted-printable are decoded, broken ones as far as they go."""
    raw = part("text/plain; charset=utf-8", body, Content_Transfer_Encoding=encoding)

    assert parse(raw).text == text


def test_a_message_without_header_is_text() -> None:
    """What has no header field is all body."""
    assert parse(b"just some words\r\nand more").text == "just some words\r\nand more"


def test_an_empty_message_has_nothing() -> None:
    """No bytes give an empty message."""
    assert parse(b"") == ParsedMessage()


def test_header_fields_are_kept_in_order() -> None:
    """All fields are there as they came, unfolded, and decoded beside it."""
    message = parse(b"B: =?utf-8?q?x?=\r\nA: 1\r\n\t2\r\nb: y\n\nbody")

    assert [(field.name, field.raw, field.text) for field in message.headers] == [
        ("B", "=?utf-8?q?x?=", "x"),
        ("A", "1\t2", "1 2"),
        ("b", "y", "y"),
    ]
    assert message.header("b") == "x"
    assert message.header("absent") == ""


def test_an_alternative_gives_text_and_html() -> None:
    """Both forms of the body are there."""
    message = parse(multipart(part("text/plain", b"T"), part("text/html", b"<p>H</p>")))

    assert (message.text, message.html, message.snippet) == ("T", "<p>H</p>", "H")


def test_attachments_are_described() -> None:
    """A part that is no body text is listed with name, size and checksums of its bytes."""
    inner = part(
        'application/pdf; name="other.pdf"',
        b"AAE=",
        Content_Transfer_Encoding="base64",
        Content_Disposition="attachment; filename*0*=utf-8''Gr%C3%BC; filename*1=sse.pdf",
    )

    (found,) = parse(multipart(part("text/plain"), inner)).attachments

    assert (found.part_id, found.file_name, found.size) == ("2", "Grüsse.pdf", 2)
    assert found.content_type == "application/pdf"
    assert found.md5 == hashlib.md5(b"\x00\x01").hexdigest()
    assert found.sha1 == hashlib.sha1(b"\x00\x01").hexdigest()
    assert found.sha256 == hashlib.sha256(b"\x00\x01").hexdigest()


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ("filename=a.txt", "a.txt"),
        ('filename="a b;c\\".txt"', 'a b;c".txt'),
        ("filename==?utf-8?q?=C3=BC=2Etxt?=", "ü.txt"),
        ("filename*=utf-8''%C3%BC.txt", "ü.txt"),
        ("filename*=iso-8859-1'de'%FC.txt; filename=u.txt", "ü.txt"),
        ("filename*1=b.txt; filename*0=a", "ab.txt"),
        ("filename*0=a; filename*2=c", "a"),
        ("filename*=%41", "A"),
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="C:\\\\\\\\Temp\\\\\\\\x.doc"', "x.doc"),
        ('filename="a\x00b\x1b"', "a b"),
        ('filename="open', "open"),
        ("filename=", ""),
        ("filename*99999999999999999999=x", ""),
    ],
)
def test_file_names_are_read_in_every_way(parameter: str, name: str) -> None:
    """Quoted, continued, encoded and wrongly encoded names are read; folders are cut off."""
    raw = part("application/x; a=b", Content_Disposition=f"attachment; {parameter}")

    assert parse(raw).attachments[0].file_name == name


@pytest.mark.parametrize(
    ("raw", "attachments", "inline"),
    [
        (part("image/png", Content_ID="<logo@x>"), 0, 1),
        (part("image/png", Content_Disposition="inline"), 0, 1),
        (part("image/png"), 1, 0),
        (part("image/png", Content_Disposition="attachment", Content_ID="<a>"), 1, 0),
        (part("text/plain", Content_Disposition="attachment"), 1, 0),
        (multipart(part("text/plain; name=notes.txt")), 1, 0),
        (multipart(part("message/rfc822", b"Subject: inner\r\n\r\n")), 1, 0),
        (multipart(b"\r\nSubject: inner\r\n\r\n", kind="digest"), 1, 0),
        (part("text/plain"), 0, 0),
        (part("text/calendar"), 1, 0),
    ],
)
def test_parts_are_told_apart(raw: bytes, attachments: int, inline: int) -> None:
    """What the body refers to is inline, the rest is attached; body text is neither."""
    message = parse(raw)

    assert (len(message.attachments), len(message.inline)) == (attachments, inline)


def test_parts_are_numbered_as_mailpit_does() -> None:
    """The message is 0, its parts 1, 2 and so on, those below 1.1, 1.2."""
    related = multipart(part("text/html"), part("image/png"), kind="related", boundary="inner")

    message = parse(multipart(related, part("application/pdf")))

    assert [found.part_id for found in message.attachments] == ["1.2", "2"]


def test_one_text_part_follows_another() -> None:
    """Several text parts are shown one below the other."""
    assert parse(multipart(part("text/plain", b"a"), part("text/plain", b"b"))).text == "a\nb"


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_either_line_end_will_do(line_end: bytes) -> None:
    """Messages with bare line feeds are cut in the same way."""
    raw = multipart(part("text/plain", b"a\r\nb"), part("text/html", b"h"))

    assert (
        parse(raw.replace(b"\r\n", line_end)).text == b"a\r\nb".replace(b"\r\n", line_end).decode()
    )


@pytest.mark.parametrize(
    "raw",
    [
        part("multipart/mixed", b"words"),
        part('multipart/mixed; boundary=""', b"words"),
        part("multipart/mixed; boundary=b", b"words"),
        part("multipart/mixed; boundary=" + "b" * 600, b"words"),
    ],
)
def test_a_multipart_without_parts_is_shown_as_it_is(raw: bytes) -> None:
    """A multipart that can't be cut is text, and the message says so."""
    message = parse(raw)

    assert message.text == "words"
    assert message.defects


def test_a_missing_end_is_forgiven() -> None:
    """The last part ends with the message when no delimiter closes it."""
    raw = multipart(part("text/plain", b"a")).partition(b"\r\n--b--")[0]

    assert parse(raw).text == "a"


def test_a_line_that_only_begins_like_a_delimiter_is_text() -> None:
    """The delimiter line has nothing behind the boundary but white space."""
    raw = multipart(part("text/plain", b"a\r\n--bc\r\nb\r\n--b- -"))

    assert parse(raw).text == "a\r\n--bc\r\nb\r\n--b- -"


def test_parts_are_bounded() -> None:
    """More parts than the limit are not looked at, and the message says so."""
    message = parse(multipart(*[part("image/png")] * (PART_LIMIT + 10)))

    assert len(message.attachments) == PART_LIMIT - 1  # the message itself is the first
    assert message.defects


def test_depth_is_bounded() -> None:
    """Multiparts nested deeper than the limit are shown as text, and the message says so."""
    raw = part("text/plain", b"core")
    for level in range(DEPTH_LIMIT + 10):
        raw = multipart(raw, boundary=f"b{level}=")

    message = parse(raw)

    assert "core" in message.text
    assert message.defects


def test_nesting_up_to_the_limit_is_followed() -> None:
    """As many levels as the limit are cut."""
    raw = part("text/plain", b"core")
    for level in range(DEPTH_LIMIT):
        raw = multipart(raw, boundary=f"b{level}=")

    message = parse(raw)

    assert (message.text, message.defects) == ("core", ())


def test_text_is_bounded() -> None:
    """Body text beyond the limit is left out, and the message says so."""
    message = parse(b"\r\n" + b"x" * (TEXT_LIMIT + 1))

    assert len(message.text) == TEXT_LIMIT
    assert message.defects


@pytest.mark.parametrize(
    ("raw", "snippet"),
    [
        (b"\r\n a\r\n  b ", "a b"),
        (part("text/html", b"<head><title>t</title></head><style>s</style><p>a</p>b"), "a b"),
        (part("text/html", b"<b>w</b>ord &amp; &lt;x&gt; <!-- no --> 1 < 2"), "word & <x> 1 < 2"),
        (part("text/html", b"a<script>never closed"), "a"),
        (b"\r\n" + "ü".encode() * 150, "ü" * 100 + "..."),
    ],
)
def test_snippets_are_the_first_words(raw: bytes, snippet: str) -> None:
    """A snippet is one line of what a reader would see, 200 bytes at most."""
    assert parse(raw).snippet == snippet


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(part("multipart/mixed; boundary=b", b"\n--bX" * 400_000), id="lookalikes"),
        pytest.param(part("multipart/mixed; boundary=b", b"\n--b\n\n" * 400_000), id="parts"),
        pytest.param(b"To: " + b"(" * 2_000_000, id="comments"),
        pytest.param(b"To: " + b'"\\' * 1_000_000, id="quotes"),
        pytest.param(b"Subject: " + b"=?utf-8?b?4pyT?=" * 200_000, id="encoded words"),
        pytest.param(b'Content-Type: text/plain; a="' + b";" * 2_000_000, id="semicolons"),
        pytest.param(part("text/html", b"<!--" * 500_000), id="comments in HTML"),
        pytest.param(part("text/html", b"<style>" * 500_000), id="styles"),
        pytest.param(b"a:\n" * 500_000, id="fields"),
    ],
)
@pytest.mark.timeout(10)
def test_hostile_input_takes_linear_time(raw: bytes) -> None:
    """Megabytes made to be slow are parsed well before quadratic time would let them."""
    assert_valid(parse(raw))


@given(st.binary(max_size=2_000))
def test_any_bytes_are_parsed(raw: bytes) -> None:
    """Whatever the bytes, there is a message, and its text is valid."""
    message = parse(raw)

    assert_valid(message)
    assert "could not be parsed" not in "".join(message.defects)


FRAGMENTS = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"--", b"--b", b"--b--", b"\r\n--b\r\n", b";", b'"'),
        *(b"\\", b"<", b">", b"(", b")", b",", b":", b"@", b"'", b"*", b"%", b"=", b"?", b"=?"),
        *(b"=?utf-8?q?=FF?=", b"=?x?b?A?=", b"\xff", b"\xed\xa0\x80", b"\x00", b"a", b"0", b"/"),
        *(b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: text/html", b"name"),
        *(b"Content-Disposition: attachment; filename", b"charset=utf-7", b"+2AA-", b"b", b"*0*"),
        *(b"Content-Transfer-Encoding: base64\r\n", b"From:", b"To: ", b"Subject:", b"Date: "),
        *(b"Content-ID: <", b"<!--", b"<style>", b"&#xD800;", b"message/rfc822", b"multipart/x"),
    ]
)


@given(st.lists(FRAGMENTS, max_size=60).map(b"".join))
def test_mangled_mime_is_parsed(raw: bytes) -> None:
    """Whatever is made of the pieces of MIME, there is a message, and its text is valid."""
    message = parse(raw)

    assert_valid(message)
    assert "could not be parsed" not in "".join(message.defects)


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20
)


@given(subject=WORDS, name=WORDS, text=st.text(max_size=200), file=WORDS, data=st.binary())
def test_what_the_standard_library_writes_is_read(
    subject: str, name: str, text: str, file: str, data: bytes
) -> None:
    """A message that `email` made gives back what went into it."""
    text = text.replace("\r", "").encode("utf-8", "ignore").decode()
    made = EmailMessage(policy=SMTP)
    made["Subject"] = subject
    made["From"] = email.headerregistry.Address(name, addr_spec="a@example.com")
    made.set_content(text)
    made.add_attachment(data, maintype="application", subtype="x", filename=file)

    message = parse(made.as_bytes())

    assert message.subject == subject
    assert message.from_ == (Address(name, "a@example.com"),)
    assert message.text.replace("\r\n", "\n").removesuffix("\n") == text.removesuffix("\n")
    (attached,) = message.attachments
    assert attached.file_name == file.replace("\\", "/").rpartition("/")[2]
    assert attached.sha256 == hashlib.sha256(data).hexdigest()
