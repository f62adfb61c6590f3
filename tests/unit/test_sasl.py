"""AUTH's messages: the examples of the RFCs, and what is no message at all."""

from __future__ import annotations

from base64 import b64decode

import pytest
import scramp  # type: ignore[import-untyped]

from bindpost.server.smtp import sasl
from bindpost.server.smtp.sasl import Bearer, MalformedResponseError
from bindpost.server.smtp.scram import ScramExchange, WrongProofError

GOOGLE = (
    "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJo"
    "ZG1semRHRXVZMjl0Q2cBAQ=="
)
"""The example of Google's page on XOAUTH2."""
RFC_7628 = (
    b"n,a=user@example.com,\x01host=server.example.com\x01port=587\x01"
    b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
)
"""The example of RFC 7628, 4.1, with SMTP's port."""
NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CLIENT_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
"""The example of RFC 7677, section 3."""


def _exchange(passwords: dict[str, bytes]) -> ScramExchange:
    salt = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    return ScramExchange(passwords.get, nonce=NONCE, salt=salt)


def test_cram_md5_is_that_of_the_rfc() -> None:
    """The example of RFC 2195, section 2."""
    name, digest = sasl.read_cram(b"tim b913a602c7eda7a495b4e6e7334d3890")

    assert name == "tim"
    assert digest == sasl.cram_digest(
        b"tanstaaftanstaaf", b"<1896.697170952@postoffice.reston.mci.net>"
    )


def test_no_challenge_comes_twice() -> None:
    """Each is another one, between angle brackets, and tells the host."""
    challenges = {sasl.cram_challenge("mx.test") for _ in range(100)}

    assert len(challenges) == 100
    assert all(one.startswith(b"<") and one.endswith(b"@mx.test>") for one in challenges)


def test_a_name_may_have_blanks() -> None:
    """Only the last one parts it from the digest."""
    assert sasl.read_cram(b"a b " + b"0" * 32) == ("a b", b"0" * 32)


@pytest.mark.parametrize(
    "response",
    [b"", b"tim", b" " + b"0" * 32, b"tim " + b"0" * 31, b"tim " + b"G" * 32, b"tim " + b"0" * 33],
)
def test_what_is_no_cram_response(response: bytes) -> None:
    """A name and 32 digits of small letters are needed."""
    with pytest.raises(MalformedResponseError):
        sasl.read_cram(response)


def test_xoauth2_is_googles() -> None:
    """The published example."""
    assert sasl.read_xoauth2(b64decode(GOOGLE)) == Bearer(
        "someuser@example.com", b"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
    )


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"user=a\x01auth=Bearer t\x01",
        b"user=a\x01auth=Bearer \x01\x01",
        b"user=a\x01auth=Basic t\x01\x01",
        b"user=a\x01auth=Bearer t\x01\x01x",
        b"auth=Bearer t\x01\x01",
        b"user=a\x01auth=Bearer two words\x01\x01",
    ],
)
def test_what_is_no_xoauth2(response: bytes) -> None:
    """Both parts are needed, and nothing else."""
    with pytest.raises(MalformedResponseError):
        sasl.read_xoauth2(response)


def test_oauthbearer_is_that_of_the_rfc() -> None:
    """The example of RFC 7628, section 4.1."""
    assert sasl.read_oauthbearer(RFC_7628) == Bearer(
        "user@example.com", b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
    )


@pytest.mark.parametrize(
    ("header", "name"),
    [(b"n,,", ""), (b"y,a=ann,", "ann"), (b"n,a=a=2Cb=3D2C,", "a,b=2C"), (b"n,a=\xff,", "�")],
)
def test_the_name_of_oauthbearer(header: bytes, name: str) -> None:
    """It is escaped in the GS2 header (RFC 5801, section 4), or left out."""
    assert sasl.read_oauthbearer(header + b"\x01auth=bearer t\x01\x01") == Bearer(name, b"t")


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"\x01",
        b"n,,\x01\x01",
        b"n,,\x01auth=Bearer t\x01",
        b"n,,auth=Bearer t\x01\x01",
        b"n,a=,\x01auth=Bearer t\x01\x01",
        b"p=tls-unique,,\x01auth=Bearer t\x01\x01",
        b"n,,\x01auth=Basic t\x01\x01",
        b"n,,\x01host=x\x01\x01",
        b"n,,\x01auth=Bearer t\x01\x01\x01",
        b"n,,\x01auth=Bearer \xff\x01\x01",
    ],
)
def test_what_is_no_oauthbearer(response: bytes) -> None:
    """The header, pairs, and one of them with a bearer token."""
    with pytest.raises(MalformedResponseError):
        sasl.read_oauthbearer(response)


def test_external_names_somebody_or_nobody() -> None:
    """An empty response asks for the certificate's own name (RFC 4422, A.1)."""
    assert sasl.read_external(b"") == ""
    assert sasl.read_external("jürgen".encode()) == "jürgen"
    with pytest.raises(MalformedResponseError):
        sasl.read_external(b"a\0b")


def test_scram_is_that_of_the_rfc() -> None:
    """The example of RFC 7677, section 3: both sides prove that they know the password."""
    exchange = _exchange({"user": b"pencil"})

    assert exchange.challenge(CLIENT_FIRST) == SERVER_FIRST
    assert exchange.prove(CLIENT_FINAL) == SERVER_FINAL
    assert exchange.name == "user"


@pytest.mark.parametrize("passwords", [{"user": b"pencils"}, {"other": b"pencil"}, {}])
def test_a_wrong_password_and_an_unknown_name_are_one(passwords: dict[str, bytes]) -> None:
    """The first message is the same, so that nobody learns which names there are."""
    exchange = _exchange(passwords)

    assert exchange.challenge(CLIENT_FIRST) == SERVER_FIRST
    with pytest.raises(WrongProofError):
        exchange.prove(CLIENT_FINAL)


def test_a_password_that_scram_cannot_take_opens_nothing() -> None:
    """RFC 4013 forbids control characters; such a user is refused like others."""
    exchange = _exchange({"user": b"pen\x07cil"})

    assert exchange.challenge(CLIENT_FIRST) == SERVER_FIRST
    with pytest.raises(WrongProofError):
        exchange.prove(CLIENT_FINAL)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n,,",
        b"n,,n=user",
        b"n,,n=,r=x",
        b"n,a=other,n=user,r=x",
        b"p=tls-unique,,n=user,r=x",
        b"n,,m=x,n=user,r=x",
        b"n,,n=us=er,r=x",
        b"n,,n=\xff,r=x",
        b"n,,n=a\x07b,r=x",
        b"n,,n=user,r=" + b"x" * 500,
    ],
)
def test_what_is_no_first_message(first: bytes) -> None:
    """Malformed ones, extensions, channel binding, and logins in another's name."""
    with pytest.raises(MalformedResponseError):
        _exchange({"user": b"pencil"}).challenge(first)


@pytest.mark.parametrize(
    "final",
    [
        b"",
        b"\xff",
        CLIENT_FINAL[:-30],
        CLIENT_FINAL.replace(b"c=biws", b"c=eSws"),
        CLIENT_FINAL.replace(b"FIlj", b"FIlx"),
        CLIENT_FINAL.rpartition(b",")[0],
    ],
)
def test_what_is_no_last_message(final: bytes) -> None:
    """Another header or nonce than before, or no proof."""
    exchange = _exchange({"user": b"pencil"})
    exchange.challenge(CLIENT_FIRST)

    with pytest.raises((MalformedResponseError, WrongProofError)):
        exchange.prove(final)


def test_each_exchange_has_a_nonce_and_a_salt_of_its_own() -> None:
    """Without those of an example they are drawn, and scramp as a client agrees."""
    seen = set()
    for _ in range(2):
        exchange = ScramExchange({"user": b"pencil"}.get)
        client = scramp.ScramClient(["SCRAM-SHA-256"], "user", "pencil")
        first = exchange.challenge(client.get_client_first().encode()).decode()
        client.set_server_first(first)
        client.set_server_final(exchange.prove(client.get_client_final().encode()).decode())
        seen |= set(first.split(",")[:2])
    assert len(seen) == 4
