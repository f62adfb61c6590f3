"""Awkward structures: boundaries, depth, numbers of parts, names of files, wrapped messages."""

from __future__ import annotations

from .kit import Awkward, attached, entity, grown, multipart, whole

_TEXT = entity("text/plain", b"core")


def _nested(count: int, *, boundary: str | None = None, core: bytes = _TEXT) -> bytes:
    """Give multiparts inside each other; with one `boundary` for all if it is given."""
    names = [boundary or f"b{level}=" for level in range(count)]
    opening = [f"Content-Type: multipart/mixed; boundary={b}\r\n\r\n--{b}\r\n" for b in names]
    return b"Subject: deep\r\n" + "".join(opening).encode() + core


def _wrapped(count: int) -> bytes:
    return b"Subject: wrapped\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * count + _TEXT


def _numbered(number: int) -> bytes:
    return b"\r\n--b\r\n" + entity(
        "image/png", b"x", Content_ID=f"<{number}@x>", Content_Disposition="inline"
    )


_MIXED = entity("multipart/mixed; boundary=b", b"")

STRUCTURES = [
    Awkward(
        name="no-closing-boundary",
        why="Cut off on the way.",
        make=whole(b"Subject: open\r\n" + multipart(_TEXT, end=False)),
        text="core",
        files=(),
    ),
    Awkward(
        name="boundary-never-used",
        why="A multipart without parts.",
        make=whole(entity("multipart/mixed; boundary=b", b"words")),
        text="words",
        note="told apart",
    ),
    Awkward(
        name="boundary-missing",
        why="A multipart that doesn't say how it is cut.",
        make=whole(entity("multipart/mixed", b"words")),
        text="words",
        note="told apart",
    ),
    Awkward(
        name="empty-boundary",
        why="Then every line that begins with two dashes would be a delimiter.",
        make=whole(entity('multipart/mixed; boundary=""', b"--\r\n\r\nwords\r\n----")),
        text="words",
        note="told apart",
    ),
    Awkward(
        name="boundary-of-10000-characters",
        why="RFC 2046 allows 70.",
        make=whole(multipart(_TEXT, boundary="b" * 10_000)),
        text="core",
        note="told apart",
    ),
    Awkward(
        name="boundary-of-odd-characters",
        why="What patterns, shells and quotes take for theirs.",
        make=whole(multipart(_TEXT, boundary="a(b)*+.?[c]'=/:;,_-$ d")),
        text="core",
        files=(),
    ),
    Awkward(
        name="boundary-inside-itself",
        why="One delimiter is the beginning of the other.",
        make=whole(
            multipart(multipart(entity("text/plain", b"--b\r\n--bbb"), boundary="bb"), boundary="b")
        ),
    ),
    Awkward(
        name="boundary-shared",
        why="Inner and outer multipart are cut by the same line.",
        make=whole(_nested(3, boundary="b") + b"\r\n--b--\r\n--b--\r\n--b--"),
        text="core",
    ),
    Awkward(
        name="boundary-shared-without-end",
        why="The same, as deep as it goes.",
        make=grown(
            b"Subject: deep\r\n",
            b"Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\n",
            _TEXT + b"\r\n",
        ),
        subject="deep",
        note="told apart",
    ),
    Awkward(
        name="closed-at-once",
        why="Only the last delimiter; what follows is epilogue.",
        make=whole(entity("multipart/mixed; boundary=b", b"--b--\r\n\r\nepilogue")),
    ),
    Awkward(
        name="nested-1000-deep",
        why="Parsers recurse; readers of each level read each line again.",
        make=whole(_nested(1_000)),
        subject="deep",
        text="core",
        note="told apart",
    ),
    Awkward(
        name="nested-over-much-text",
        why="Fifty levels, and each looks through all that is inside.",
        make=grown(_nested(49), b"\n--b\n\n"),
        subject="deep",
    ),
    Awkward(
        name="parts-without-end",
        why="Fan-out: each few bytes become an object with checksums.",
        make=grown(b"Subject: many\r\n" + _MIXED, _numbered),
        subject="many",
        note="parts or more",
    ),
    Awkward(
        name="empty-parts-without-end",
        why="The same with nothing in them, the smallest there are.",
        make=grown(b"Subject: many\r\n" + _MIXED, b"\n--b\n\n"),
        subject="many",
        note="parts or more",
    ),
    Awkward(
        name="parts-of-many-fields",
        why="A field is looked for in each, several times.",
        make=grown(b"Subject: many\r\n" + _MIXED, b"\r\n--b\r\n" + b"a:\r\n" * 2_000 + b"\r\nx"),
        subject="many",
        note="A part has more than 100 header fields",
    ),
    Awkward(
        name="almost-delimiters",
        why="Lines that begin like a delimiter and are none.",
        make=grown(b"Subject: almost\r\n" + _MIXED, b"\n--bX"),
        subject="almost",
    ),
    Awkward(
        name="fan-out",
        why="Many parts, each named by the HTML again and again.",
        make=lambda size: (
            b"Subject: fan\r\n"
            + multipart(
                entity("text/html", b"<img src=cid:899@x>" * max(1, size // 19)),
                *[entity("image/png", b"x", Content_ID=f"<{number}@x>") for number in range(900)],
                kind="related",
            )
            + b"\r\n"
        ),
        subject="fan",
        html="cid:899@x",
    ),
    Awkward(
        name="wrapped-200-deep",
        why="message/rfc822 inside each other: to us one attachment.",
        make=whole(_wrapped(200)),
        subject="wrapped",
    ),
    Awkward(
        name="digest-without-end",
        why="Parts whose type is message/rfc822 without saying so.",
        make=grown(
            b"Subject: digest\r\n" + entity("multipart/digest; boundary=b", b""),
            b"\r\n--b\r\n\r\nSubject: inner\r\n\r\nx",
        ),
        subject="digest",
    ),
    Awkward(
        name="partial",
        why="A third of a message (RFC 2046, 5.2.2), which nobody puts together.",
        make=whole(entity('message/partial; id="x@x"; number=1; total=3', b"Subject: i\r\n\r\nx")),
    ),
    Awkward(
        name="external-body",
        why="The content is elsewhere; nobody fetches it.",
        make=whole(
            entity(
                'message/external-body; access-type=local-file; name="/etc/passwd"',
                b"Content-Type: text/plain\r\n\r\n",
            )
        ),
        files=("passwd",),
    ),
    Awkward(
        name="tnef",
        why="Outlook's winmail.dat is a file like any other.",
        make=whole(
            attached("filename=winmail.dat", b"\x78\x9f\x3e\x22\x00\x01", "application/ms-tnef")
        ),
        text="see the file",
        files=("winmail.dat",),
    ),
    Awkward(
        name="smime",
        why="A signed message: text and signature.",
        make=whole(
            multipart(
                _TEXT,
                entity(
                    "application/pkcs7-signature; name=smime.p7s",
                    b"MIIB",
                    Content_Transfer_Encoding="base64",
                ),
                kind="signed; protocol=application/pkcs7-signature",
            )
        ),
        text="core",
        files=("smime.p7s",),
    ),
    Awkward(
        name="pgp",
        why="An encrypted message: two parts, neither to be read.",
        make=whole(
            multipart(
                entity("application/pgp-encrypted", b"Version: 1"),
                entity("application/octet-stream; name=encrypted.asc", b"-----BEGIN PGP MESSAGE"),
                kind="encrypted; protocol=application/pgp-encrypted",
            )
        ),
        files=("", "encrypted.asc"),
    ),
    Awkward(
        name="calendar",
        why="An invitation is text that isn't the text.",
        make=whole(
            multipart(
                _TEXT,
                entity("text/calendar; method=REQUEST", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR"),
                kind="alternative",
            )
        ),
        text="core",
        files=("",),
    ),
    *[
        Awkward(name=f"file-name-{name}", why=why, make=whole(attached(parameter)), files=(shown,))
        for name, why, parameter, shown in (
            ("with-a-path", "Saved elsewhere than meant.", 'filename="../../etc/cron"', "cron"),
            ("of-windows", "The other slash.", r'filename="C:\\Temp\\evil.exe"', "evil.exe"),
            ("with-nul", "What C cuts off is the real ending.", 'filename="a\x00.exe"', "a .exe"),
            (
                "right-to-left",
                "An override hides the ending.",
                "filename*=utf-8''a%E2%80%AEfdp.exe",
                "a\u202efdp.exe",
            ),
            (
                "with-line-ends",
                "Response splitting through Content-Disposition.",
                "filename*=utf-8''a%0D%0ASet-Cookie%3A%20x.txt",
                "a\r\nSet-Cookie: x.txt",
            ),
            (
                "of-5000-characters",
                "File systems end at 255.",
                f'filename="{"n" * 5_000}"',
                "n" * 5_000,
            ),
            (
                "out-of-order",
                "RFC 2231 numbers its pieces.",
                "filename*1=b.txt; filename*0=a",
                "ab.txt",
            ),
            (
                "with-a-gap",
                "The third piece is missing.",
                "filename*0=a; filename*1=b; filename*3=d",
                "ab",
            ),
            (
                "of-10000-pieces",
                "Each piece costs, and numbers have an end.",
                ";".join(f"filename*{number}=x" for number in range(10_000)),
                "x" * 1_000,
            ),
            ("without-quotes", "Spaces and equals signs.", "filename=a b=c.txt", "a b=c.txt"),
        )
    ],
    Awkward(
        name="content-id-with-script",
        why="It goes into links and pages.",
        make=whole(
            multipart(
                entity("text/html", b"<img src='cid:x'>"),
                entity("image/png", b"x", Content_ID='<"><script>alert(1)</script>@x>'),
            )
        ),
        html="cid:x",
    ),
]
