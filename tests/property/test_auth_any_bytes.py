"""Any bytes as a response of AUTH: the mechanisms take them or refuse them, and nothing breaks."""

from __future__ import annotations

import contextlib
from base64 import b64encode

from hypothesis import given, settings
from hypothesis import strategies as st

from bindpost import events
from bindpost.server.smtp import sasl
from bindpost.server.smtp.scram import ScramExchange, WrongProofError

from ..fuzz.grammar import cut
from .smtp_session import places, run

USERS = {"ann": b"secret"}
MECHANISMS = st.sampled_from(sorted(sasl.MECHANISMS)).map(str.encode)
RESPONSES = [
    b"\0ann\0secret", b"ann", b"secret", b"ann " + b"0" * 32, b"n,,n=ann,r=x", b"n,,n=eve,r=x",
    b"user=ann\x01auth=Bearer secret\x01\x01", b"user=ann\x01auth=Bearer x\x01\x01",
    b"n,a=ann,\x01auth=Bearer secret\x01\x01", b"n,a=ann,\x01auth=Bearer x\x01\x01", b"\x01", b"",
    b"c=biws,r=x,p=AAAA", b"n,,n=ann,r=" + b"x" * 3000, b"x" * 9000,
]  # fmt: skip
SENT = [b64encode(response).decode() for response in RESPONSES if len(response) > 2]
parts = st.sampled_from([b"n", b"y", b"p=x", b",", b"=", b"a=", b"n=", b"r=", b"\x01", b"auth="])
grown = st.lists(parts | st.binary(max_size=6) | st.just(b"Bearer "), max_size=12).map(b"".join)
messages = st.sampled_from(RESPONSES) | grown | st.binary(max_size=40)
encoded = messages.map(b64encode) | st.sampled_from([b"*", b"=", b"x"]) | st.binary(max_size=20)
logins = st.builds(
    lambda mechanism, initial, responses: b"\r\n".join(
        [b" ".join([b"AUTH", mechanism, *initial]), *responses, b""]
    ),
    MECHANISMS,
    st.lists(encoded, max_size=1),
    st.lists(encoded, max_size=3),
)
dialogues = st.lists(logins, min_size=1, max_size=4).map(
    lambda pieces: b"EHLO c\r\n" + b"".join(pieces)
    + b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
)  # fmt: skip


@given(messages)
def test_any_response_is_read_or_refused(response: bytes) -> None:
    """Nothing else is raised than what says that it is malformed."""
    for read in (sasl.read_cram, sasl.read_xoauth2, sasl.read_oauthbearer, sasl.read_external):
        with contextlib.suppress(sasl.MalformedResponseError):
            read(response)


@given(messages, messages)
def test_any_exchange_of_scram_is_refused(first: bytes, final: bytes) -> None:
    """Nobody comes in who doesn't know the password, and every message has its end."""
    exchange = ScramExchange(USERS.get)
    try:
        assert exchange.challenge(first).startswith(b"r=")
        exchange.prove(final)
    except (sasl.MalformedResponseError, WrongProofError):
        return
    raise AssertionError("a proof by chance")


@settings(max_examples=60)
@given(dialogues, places)
def test_any_login_is_the_same_on_both_engines(dialogue: bytes, places: list[int]) -> None:
    """Replies, mail, transcripts; and no response is in what is kept."""
    stock = run("plain", [dialogue], "stock", users=USERS)
    fast = run("plain", cut(dialogue, places), "fast", users=USERS)

    assert fast.replies == stock.replies
    assert fast.transcripts == stock.transcripts
    assert fast.facts == stock.facts
    assert fast.unhandled == stock.unhandled == []
    assert [one for one in fast.logged if one["event"] is events.INTERNAL_ERROR] == []
    if b"235 2.7.0" not in fast.output:  # who has logged in owes no response any more
        assert [one for one in SENT if one in repr(fast.transcripts)] == []
