"""The grammar and the policy for any text: an answer or the one error, always soon."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bindpost.config.model import Ims
from bindpost.server.smtp.grammar import (
    MalformedAddressError,
    MalformedParameterError,
    domain_of,
    is_mailbox,
    is_parameter_value,
    parse_parameters,
    split_path,
)
from bindpost.server.smtp.policy import Policy, address_of

MARKS = '<>@"\\:,;.=[]() a1é'
texts = (
    st.text(max_size=60)
    | st.text(MARKS, max_size=40)
    | st.text(MARKS, min_size=1, max_size=6).map(lambda text: (text * 2000)[:2000])
)
atoms = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,20}", fullmatch=True)
quoted = st.from_regex(r'"([^"\\\x00-\x1f\x7f]|\\[\x20-\x7e]){0,20}"', fullmatch=True)
domains = st.from_regex(r"[A-Za-z0-9-]{1,10}(\.[A-Za-z0-9-]{1,10}){0,3}", fullmatch=True)
literals = st.ip_addresses().map(
    lambda address: f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"
)
mailboxes = st.builds("{}@{}".format, atoms | quoted, domains | literals)
parameters = st.lists(
    st.from_regex(r"[A-Z0-9][A-Z0-9-]{0,8}(=[\x21-\x3c\x3e-\x7e]{1,10})?", fullmatch=True),
    unique_by=lambda word: word.partition("=")[0],
    max_size=4,
).map(" ".join)
routes = st.lists(domains.map("@{}".format), max_size=3).map(
    lambda hops: ",".join(hops) + ":" if hops else ""
)


@given(texts)
def test_any_text_is_a_path_or_malformed(text: str) -> None:
    """A path is split into an address of good form and the rest, or told as it is."""
    try:
        address, rest = split_path(text)
    except MalformedAddressError as error:
        address, rest, told = "", "", str(error)
    else:
        told = text

    assert told == text
    assert not address or is_mailbox(address)
    assert rest in text


@given(texts)
def test_any_text_is_a_path_for_the_lenient(text: str) -> None:
    """AcceptMalformed821Adrs refuses nothing."""
    address, rest = split_path(text, lenient=True)

    assert address in text
    assert rest in text


@given(routes, mailboxes, parameters)
def test_what_is_put_together_comes_apart(route: str, mailbox: str, words: str) -> None:
    """Mailbox and parameters come out of brackets, and from behind a source route, unaltered."""
    assert split_path(f"<{route}{mailbox}> {words}".rstrip()) == (mailbox, words)


@given(mailboxes)
def test_the_domain_is_what_was_put_in(mailbox: str) -> None:
    """However strange the local part, the domain is the one behind it."""
    assert mailbox.lower().endswith("@" + domain_of(mailbox))


@given(texts)
def test_any_text_is_parameters_or_malformed(text: str) -> None:
    """Parameters have keywords in capitals, one a word, or a bad word of the text is named."""
    keywords: list[str] = []
    bad = ""
    try:
        keywords = list(parse_parameters(text))
    except MalformedParameterError as error:
        bad = str(error)

    assert keywords == [word.partition("=")[0].upper() for word in text.split()] or bad
    assert not bad or bad in text.split()


@given(st.sampled_from(["SIZE", "BODY", "RET", "NOTIFY", "ORCPT", "SMTPUTF8", "X"]), texts)
def test_any_value_is_judged(keyword: str, value: str) -> None:
    """A judgement is a truth value, and a good SIZE is a number."""
    good = is_parameter_value(keyword, value)

    assert good in {True, False}
    if good and keyword == "SIZE":
        assert int(value) >= 0


@given(st.integers(0, 15), texts, texts)
def test_any_recipient_is_decided(flags: int, recipient: str, host: str) -> None:
    """Whatever client and recipient look like, the policy has a decision."""
    policy = Policy.from_settings(Ims(relay_flags=flags, relay_deny_list=("0.0.0.0;0.0.0.0",)))
    peer = address_of(host)

    assert policy.admits(peer)
    assert policy.may_relay(recipient, peer=peer, local=None, authenticated=False) in {True, False}
