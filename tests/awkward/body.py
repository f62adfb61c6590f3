"""Awkward bodies: transfer encodings, charsets, line ends, HTML, and what came before MIME."""

from __future__ import annotations

import base64
import struct
import zlib

from .kit import Awkward, attached, entity, grown, multipart, whole

_BASE64 = b"Content-Transfer-Encoding: base64\r\n"
_QP = b"Content-Transfer-Encoding: quoted-printable\r\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture_bomb(side: int = 50_000) -> bytes:
    """Give a PNG of a few kilobytes that would take gigabytes once it is unpacked."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(*pair) for pair in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def charset(name: str, body: bytes) -> bytes:
    """Give a text that says that it is in this charset."""
    return b"Subject: charset\r\n" + entity(f"text/plain; charset={name}", body)


BODIES = [
    Awkward(
        name="carriage-returns-only",
        why="Old Macintoshes; to SMTP it is one line.",
        make=whole(b"Subject: cr\rFrom: a@example.test\r\rbody"),
    ),
    Awkward(
        name="line-feeds-only",
        why="Unix programs; bare LF must stay what it is.",
        make=whole(b"Subject: lf\nFrom: a@example.test\n\nbody\nmore\n.\nno end"),
        subject="lf",
        text="body\nmore\n.\nno end",
    ),
    Awkward(
        name="mixed-line-ends",
        why="All three in one message, one after the other.",
        make=whole(b"Subject: mixed\nFrom: a@example.test\r\n\nbody\r\nmore\rthe\n\rend"),
        subject="mixed",
        text="more\rthe\n\rend",
    ),
    Awkward(
        name="dots",
        why="Lines of dots are stuffed on the way and must come out the same.",
        make=whole(b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n...\r\n"),
        subject="dots",
        text=".\r\n..\r\n.x\r\n...",
    ),
    Awkward(
        name="utf-16",
        why="NULs in every second place.",
        make=whole(charset("utf-16le", "Grüße €".encode("utf-16le"))),
    ),
    Awkward(
        name="utf-16-in-base64",
        why="The same, packed as it should be.",
        make=whole(
            b"MIME-Version: 1.0\r\n"
            + entity(
                "text/plain; charset=utf-16",
                base64.b64encode("Grüße €".encode("utf-16")),
                Content_Transfer_Encoding="base64",
            )
        ),
        text="Grüße €",
    ),
    Awkward(
        name="utf-7",
        why="Plain ASCII that becomes tags; scanners overlook it.",
        make=whole(charset("utf-7", b"+ADw-script+AD4-")),
        text="<script>",
    ),
    Awkward(
        name="gb18030",
        why="Four bytes a character, labelled with its smaller brother.",
        make=whole(charset("gb2312", "漢字€".encode("gb18030"))),
        text="漢字€",
    ),
    Awkward(
        name="iso-2022-jp-without-end",
        why="The escape back to ASCII is missing, and one is cut off.",
        make=whole(charset("iso-2022-jp", b"\x1b$B$\x22$$\x1b$\r\nplain")),
        text="あい",
    ),
    Awkward(
        name="byte-order-marks",
        why="A BOM before the header, and one before the body.",
        make=whole(b"\xef\xbb\xbfSubject: bom\r\n\r\n\xef\xbb\xbfbody"),
        text="body",
    ),
    *[
        Awkward(
            name=f"nothing-fits-{name}",
            why="A decoder that asks what to do about each byte.",
            make=grown(charset(name, b""), octets),
            subject="charset",
        )
        for name, octets in {
            "utf-8": b"\xff",
            "utf-7": b"\xff",
            "utf-16": b"\x00\xd8",
            "utf-32": b"\xff\xff\xff\xff",
            "windows-1252": b"\x81",
            "windows-1255": b"\xd9",
            "iso-2022-jp": b"\x1b",
            "hz": b"~",
            "euc-jp": b"\xff",
            "cp864": b"\xff",
        }.items()
    ],
    Awkward(
        name="base64-with-junk",
        why="Characters of no alphabet, which decoders pass over or choke on.",
        make=whole(b"Subject: b\r\n" + _BASE64 + b"\r\nR3-LD!\r\n v\x00M*Of_ZQ\r\n"),
        subject="b",
        text="Grüße",
    ),
    Awkward(
        name="base64-without-padding",
        why="Cut off in the middle of four.",
        make=whole(b"Subject: b\r\n" + _BASE64 + b"\r\nR3LDvMOfZQ"),
        text="Grüße",
    ),
    Awkward(
        name="base64-in-one-line",
        why="No line end in megabytes.",
        make=grown(b"Subject: b\r\n" + _BASE64 + b"\r\n", b"QUFB"),
        subject="b",
        text="AAAAAA",
    ),
    Awkward(
        name="quoted-printable-broken",
        why="Half escapes, wrong digits, a soft break at the end.",
        make=whole(b"Subject: q\r\n" + _QP + b"\r\na=ZZb=\r\nc=4=3D=g=41=\r\n"),
        text="a=ZZb",
    ),
    Awkward(
        name="quoted-printable-of-nothing-else",
        why="Each byte an escape.",
        make=grown(b"Subject: q\r\n" + _QP + b"\r\n", b"=41"),
        text="AAAA",
    ),
    Awkward(
        name="flowed",
        why="Soft line breaks and stuffed spaces (RFC 3676) are shown as they came.",
        make=whole(entity("text/plain; format=flowed; delsp=yes", b"one \r\n two\r\n From me")),
        text="one",
    ),
    Awkward(
        name="uuencode",
        why="Attachments before MIME: text with a frame.",
        make=whole(b"Subject: uu\r\n\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend"),
        text="begin 644 cat.txt",
    ),
    Awkward(
        name="yenc",
        why="Eight bits of everything but NUL, LF, CR and =.",
        make=whole(
            b"Subject: - x.bin yEnc (1/1)\r\n\r\n=ybegin line=128 size=252 name=x.bin\r\n"
            + bytes(byte for byte in range(1, 256) if byte not in b"\r\n=")
            + b"\r\n=yend size=252"
        ),
        text="=ybegin line=128",
    ),
    Awkward(
        name="tags-nested-without-end",
        why="A browser's tree as deep as it goes.",
        make=grown(b"Subject: h\r\n" + entity("text/html", b""), b"<div><b>"),
        subject="h",
        html="<div><b><div>",
    ),
    Awkward(
        name="comments-in-html-without-end",
        why="A pattern that looks for the end from each start.",
        make=grown(b"Subject: h\r\n" + entity("text/html", b""), b"<!-- <style> <a href="),
        subject="h",
        html="<!-- <style>",
    ),
    Awkward(
        name="one-link-without-end",
        why="The same link again and again, each with words to be looked for.",
        make=grown(b"Subject: h\r\n" + entity("text/html", b""), b"<a href=//x/>"),
        subject="h",
        html="<a href=//x/>",
    ),
    Awkward(
        name="links-of-brackets",
        why="What ends a sentence is cut off an URL, bracket by bracket.",
        make=grown(b"Subject: l\r\n\r\nhttp://x/", b")"),
        subject="l",
        text="http://x/))",
    ),
    Awkward(
        name="words-that-announce-codes",
        why="Each makes the search for a one-time code look round.",
        make=grown(b"Subject: l\r\n\r\n", b"code pin otp "),
        subject="l",
        text="code pin otp",
    ),
    Awkward(
        name="references-without-end",
        why="Entities that come to megabytes of text.",
        make=grown(b"Subject: h\r\n" + entity("text/html", b""), b"&NotEqualTilde;&#xD800;"),
        subject="h",
        html="&NotEqualTilde;",
    ),
    Awkward(
        name="picture-bomb",
        why="A few kilobytes that are 7.5 GB of pixels to who unpacks them.",
        make=whole(attached("filename=bomb.png", picture_bomb(), "image/png")),
        files=("bomb.png",),
    ),
    Awkward(
        name="pictures-in-a-loop",
        why="HTML that shows a part that is the HTML, and one picture without end.",
        make=grown(
            b"Subject: loop\r\n"
            + multipart(
                entity("image/png", picture_bomb(), Content_ID="<p@x>"),
                kind="related",
                end=False,
            )
            + b"\r\n--b\r\n"
            + entity("text/html", b"<img src=cid:self@x>", Content_ID="<self@x>"),
            b"<img src='cid:p@x'>",
        ),
        subject="loop",
        html="cid:self@x",
    ),
]
