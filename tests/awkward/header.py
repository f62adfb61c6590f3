"""Awkward headers: none, broken, endless, in five charsets, or made to deceive."""

from __future__ import annotations

from .kit import Awkward, grown, whole

_PAYPAL = "\u0420\u0430\u0443\u0440\u0430l"
"""In Cyrillic letters but for the last."""

HEADERS = [
    Awkward(name="empty", why="DATA and the final dot, nothing between.", make=whole(b""), text=""),
    Awkward(
        name="no-header",
        why="Scripts pipe words into a socket.",
        make=whole(b"just some words\r\nand more of them"),
        text="just some words",
        subject="",
    ),
    Awkward(
        name="only-a-header",
        why="No empty line, no body (RFC 5322 allows it).",
        make=whole(b"Subject: no body\r\nFrom: a@example.test"),
        subject="no body",
        text="",
    ),
    Awkward(
        name="begins-with-an-empty-line",
        why="An empty header: what looks like one is body.",
        make=whole(b"\r\nSubject: this is text"),
        subject="",
        text="Subject: this is text",
    ),
    Awkward(
        name="begins-with-a-fold",
        why="A continuation of nothing.",
        make=whole(b" folded\r\nSubject: s\r\n\r\nbody"),
        text="body",
    ),
    Awkward(
        name="mbox-line",
        why="Exports of mbox keep their From line.",
        make=whole(
            b"From a@example.test Mon Mar  2 10:00:00 2026\r\nSubject: exported\r\n\r\nbody"
        ),
        subject="exported",
        text="body",
    ),
    Awkward(
        name="a-line-that-is-no-field",
        why="The header ends where it stops being one.",
        make=whole(b"Subject: cut short\r\nno colon in here\r\nTo: b@example.test\r\n\r\nbody"),
        subject="cut short",
        text="no colon in here",
    ),
    Awkward(
        name="field-without-a-name",
        why="A colon in the first column.",
        make=whole(b"Subject: s\r\n: nothing\r\n\r\nbody"),
        subject="s",
        text="body",
    ),
    Awkward(
        name="nul-bytes",
        why="C programs stop at them, databases refuse them.",
        make=whole(b"Subject: a\x00b\r\nFrom: x\x00 <a\x00@example.test>\r\n\r\nbe\x00fore"),
        subject="a b",
        text="be\x00fore",
    ),
    Awkward(
        name="five-charsets",
        why="Eight-bit header fields that name no charset.",
        make=whole(
            b"Subject: Gr\xfc\xdfe\r\nFrom: "
            + "Jürgen <j@example.test>".encode()
            + b"\r\nTo: "
            + "日本 <n@example.test>".encode("shift_jis")
            + b"\r\nCc: "
            + "Иван <i@example.test>".encode("koi8-r")
            + b"\r\nReply-To: "
            + "漢字 <k@example.test>".encode("gb18030")
            + b"\r\n\r\nbody"
        ),
        subject="Grüße",
        sender="Jürgen",
        text="body",
    ),
    Awkward(
        name="words-in-an-unknown-charset",
        why="A charset that no library knows.",
        make=whole(b"Subject: =?x-klingon?q?tlh=C4=B1ngan?=\r\n\r\nbody"),
        subject="tlh\u0131ngan",
    ),
    Awkward(
        name="words-in-the-wrong-charset",
        why="UTF-8 that says that it is ASCII, and Latin-1 that says that it is UTF-8.",
        make=whole(b"Subject: =?us-ascii?q?Gr=C3=BC?= =?utf-8?q?Gr=FC?=\r\n\r\nbody"),
    ),
    Awkward(
        name="a-character-cut-in-two",
        why="Mailers that cut words by bytes.",
        make=whole(b"Subject: =?utf-8?b?R3LD?=\r\n =?utf-8?b?vMOfZQ==?=\r\n\r\nbody"),
        subject="Grüße",
    ),
    Awkward(
        name="words-in-bad-base64",
        why="Neither alphabet nor padding is right; email.header raises.",
        make=whole(b"Subject: =?utf-8?b?R3!LDv*MOfZQ?= =?utf-8?b?A?=\r\n\r\nbody"),
        subject="Grüße",
    ),
    Awkward(
        name="words-inside-words",
        why="What is decoded once is decoded once.",
        make=whole(
            b"Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fevil=3F=3D?= =?utf-8?q?=?u?q?x?=\r\n\r\nbody"
        ),
    ),
    Awkward(
        name="words-without-end",
        why="The closing ?= is missing.",
        make=whole(b"Subject: =?utf-8?q?never closed\r\n\r\nbody"),
        subject="=?utf-8?q?never closed",
    ),
    Awkward(
        name="words-without-number",
        why="email.header takes quadratic time.",
        make=grown(b"Subject: ", b"=?utf-8?q?w=C3=B6rd?=\r\n ", b"\r\n\r\nbody\r\n"),
        text="body",
        note="longer than",
    ),
    Awkward(
        name="a-line-break-in-a-word",
        why="Header injection: what is decoded goes into other fields.",
        make=whole(b"Subject: =?utf-8?q?a=0D=0ABcc:_evil@example.test?=\r\n\r\nbody"),
        subject="a Bcc: evil@example.test",
    ),
    Awkward(
        name="twice-the-same",
        why="The first of each counts, the rest stays to be seen.",
        make=whole(
            b"Subject: first\r\nSubject: second\r\nFrom: a@example.test\r\nFrom: b@example.test\r\n"
            b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n<p>body"
        ),
        subject="first",
        sender="a@example.test",
        text="<p>body",
    ),
    Awkward(
        name="one-endless-field",
        why="A single line of the whole size.",
        make=grown(b"Subject: long ", b"x", b"\r\n\r\nbody\r\n"),
        text="body",
        note="longer than",
    ),
    Awkward(
        name="an-endless-name",
        why="A field name of the whole size.",
        make=grown(b"Subject: s\r\n", b"x", b": y\r\n\r\nbody\r\n"),
        subject="s",
        text="body",
        note="longer than",
    ),
    Awkward(
        name="a-hundred-thousand-fields",
        why="Memory per field, times the fields.",
        make=grown(b"Subject: many\r\n", b"X-F: 1\r\n", b"\r\nbody\r\n"),
        subject="many",
        text="body",
        note="fields",
    ),
    Awkward(
        name="folded-for-ever",
        why="A field of which each line is a continuation.",
        make=grown(b"Subject: folded", b"\r\n x", b"\r\n\r\nbody\r\n"),
        text="body",
        note="longer than",
    ),
    Awkward(
        name="folded-in-nothing",
        why="Continuations that are only white space.",
        make=grown(b"Subject: blank", b"\r\n \t", b"\r\n\r\nbody\r\n"),
        text="body",
    ),
    *[
        Awkward(
            name=f"date-{name}",
            why="A date that no calendar has.",
            make=whole(b"Subject: when\r\nDate: %b\r\n\r\nbody" % value),
            subject="when",
        )
        for name, value in {
            "of-year-0": b"Sat, 01 Jan 0000 00:00:00 +0000",
            "of-year-99999": b"Sat, 01 Jan 99999 00:00:00 +0000",
            "before-the-calendar": b"Mon, 01 Jan 0001 00:00:00 +2359",
            "with-an-endless-zone": b"Mon, 02 Mar 2026 10:00:00 +" + b"9" * 5_000,
            "of-garbage": b"((((\x00 yesterday, 25:61:61 =?utf-8?q?x?=",
        }.items()
    ],
    Awkward(
        name="groups-and-comments",
        why="RFC 5322 allows what hardly anybody reads.",
        make=whole(
            b"From: Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>\r\n"
            b"To:A Group(Some people):Chris <c@example.test>,joe@example.org;\r\n"
            b"Cc:(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;\r\n\r\nbody"
        ),
        sender="Pete",
        text="body",
    ),
    Awkward(
        name="recipients-without-end",
        why="Thousands of addresses in To.",
        make=grown(
            b"Subject: all\r\nTo: x@example.test",
            lambda n: b",\r\n Nr %d <r%d@example.test>" % (n, n),
            b"\r\n\r\nbody\r\n",
        ),
        subject="all",
        text="body",
        note="addresses",
    ),
    Awkward(
        name="quotes-without-end",
        why="Backtracking in the pattern of a quoted string.",
        make=grown(b"Subject: q\r\nTo: ", b'"\\', b"\r\n\r\nbody\r\n"),
        subject="q",
        text="body",
    ),
    Awkward(
        name="comments-without-end",
        why="Recursion into comments.",
        make=grown(b"Subject: c\r\nTo: ", b"(", b"\r\n\r\nbody\r\n"),
        subject="c",
        text="body",
    ),
    Awkward(
        name="international-addresses",
        why="IDN in both forms (RFC 6531).",
        make=whole(
            "From: пример <почта@пример.испытание>\r\n"
            "To: x@xn--e1afmkfd.xn--80akhbyknj4f\r\n\r\nbody".encode()
        ),
        sender="почта@пример.испытание",
        text="body",
    ),
    Awkward(
        name="a-name-that-is-an-address",
        why="A display name of encoded words that shows another sender.",
        make=whole(b"From: =?utf-8?q?boss=40bank=2Eexample=3E?= <evil@example.test>\r\n\r\nbody"),
        sender="evil@example.test",
    ),
    Awkward(
        name="homographs",
        why="Cyrillic letters that look like Latin ones.",
        make=whole(f"From: {_PAYPAL} <service@{_PAYPAL}.example>\r\n\r\nbody".encode()),
        sender=f"service@{_PAYPAL}.example",
    ),
    Awkward(
        name="right-to-left",
        why="An override turns the rest of the line round.",
        make=whole("Subject: safe \u202efdp.exe\r\n\r\nbody".encode()),
        subject="safe \u202efdp.exe",
    ),
]
