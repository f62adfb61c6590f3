"""Passwords of the web side: hashes that others made, costs, and how they are compared."""

from __future__ import annotations

import base64
import hmac

import pytest

from bindpost.server.passwords import Plain, Scrypt, read_password


def encoded(data: bytes) -> str:
    """Give Base64 without padding."""
    return base64.b64encode(data).decode().rstrip("=")


RFC_7914 = bytes.fromhex(
    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
)
LINE = f"$scrypt$ln=14,r=8,p=1${encoded(b'SodiumChloride')}${encoded(RFC_7914)}"


def test_the_hash_is_that_of_the_rfc() -> None:
    """The test vector of RFC 7914, section 12, is recognised, and nothing else is."""
    known = read_password(LINE)

    assert known.matches(b"pleaseletmein")
    assert not known.matches(b"pleaseletmein!")


def test_what_is_made_can_be_read() -> None:
    """A made hash is recognised after it was written and read; two have not the same salt."""
    first, second = Scrypt.make("pässword"), Scrypt.make("pässword")

    assert read_password(str(first)) == first
    assert read_password(str(first)).matches("pässword".encode())
    assert first.salt != second.salt


@pytest.mark.parametrize(
    "text",
    [
        *("$scrypt$", "$scrypt$ln=14,r=8,p=1$c2FsdA$", "$scrypt$ln=x,r=8,p=1$c2FsdA$c2FsdA"),
        *(LINE.replace("ln=14", "ln=30"), LINE.replace("r=8", "r=0"), LINE.replace("p=1", "p=0")),
        *(LINE.replace("ln=14", "ln=0"), "$scrypt$ln=14,r=8,p=1$c2FsdA$c2FsdA", f"{LINE}$"),
    ],
)
def test_bad_hashes_are_refused(text: str) -> None:
    """What is malformed, too costly or too short is refused, without being told back."""
    with pytest.raises(ValueError, match=r"^(is|has)") as caught:
        read_password(text)

    assert "c2FsdA" not in str(caught.value)


@pytest.mark.parametrize("known", [Plain.make("secret"), read_password(LINE)])
def test_comparing_takes_a_constant_time(
    known: Plain | Scrypt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digests of equal length are compared, by the function that is made for it."""
    lengths: list[tuple[int, int]] = []

    def compare(left: bytes, right: bytes) -> bool:
        lengths.append((len(left), len(right)))
        return compared(left, right)

    compared = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)

    assert not known.matches(b"")
    assert not known.matches(b"a password that is much longer")
    assert len(lengths) == 2
    assert all(left == right for left, right in lengths)
