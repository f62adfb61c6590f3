"""The personalities: each is whole, and keeps what its keyword list promises."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from string import Formatter

import msgspec
import pytest

from bindpost.errors import ConfigError
from bindpost.server import smtp
from bindpost.server.smtp import personality
from bindpost.server.smtp.reply import MAX_LINE, Reply
from bindpost.server.smtp.wording import STOCK_SENTENCES

NAMES = personality.names()
ALWAYS_KNOWN = {"hostname": "mx.test", "build": "1.2", "client": "127.0.0.1", "limit": 100}
"""What every reply may tell."""
KNOWN_AT: dict[str, dict[str, object]] = {
    "mail_ok": {"address": "a@b"},
    "mail_ok_size": {"address": "a@b", "size": "5"},
    "rcpt_ok": {"address": "a@b"},
    "malformed_address": {"argument": "<a"},
    "parameter_unknown": {"argument": "X"},
    "parameter_bad": {"argument": "X"},
    "vrfy": {"argument": "a"},
    "vrfy_ok": {"user": "a", "address": "a@b"},
    "etrn": {"argument": "a"},
    "etrn_syntax": {"argument": "a"},
    "auth_ok": {"mechanism": "LOGIN"},
    "message_ok": {"id": "1"},
    "bdat_ok": {"octets": 86},
}
"""What else the reply to an occasion may tell."""


def _says(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_the_personalities_are_known() -> None:
    """There are these four."""
    assert NAMES == ["imc-4.0", "ims-5.0", "ims-5.5", "plain"]


@pytest.mark.parametrize(
    "name", ["", "ims", "IMS-5.5", "ims-5.5.toml", "../ims-5.5", "plain\0", "/"]
)
def test_an_unknown_personality_is_a_configuration_error(name: str) -> None:
    """The error names the key and the choice."""
    with pytest.raises(ConfigError) as caught:
        personality.load(name)

    assert caught.value.key == "personality"
    assert all(known in str(caught.value) for known in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_personality_has_words_for_every_occasion(name: str) -> None:
    """No occasion finds a server without words, and no words are without an occasion."""
    words = personality.load(name)

    assert words.reply.keys() == personality.occasions_of(words)


@pytest.mark.parametrize("name", NAMES)
def test_words_tell_only_what_is_known(name: str) -> None:
    """A text has no field that its occasion can't fill in."""
    unknown = {
        occasion: _says(words.text) - ALWAYS_KNOWN.keys() - KNOWN_AT.get(occasion, {}).keys()
        for occasion, words in personality.load(name).reply.items()
    }

    assert {occasion: fields for occasion, fields in unknown.items() if fields} == {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "occasion", sorted({occasion for _, occasion in STOCK_SENTENCES} - {"auth_ok"})
)
def test_what_aiosmtpd_occasions_can_be_said(name: str, occasion: str) -> None:
    """The replies that aiosmtpd's loop gives need nothing but what is always known."""
    reply = personality.load(name).say(occasion, **ALWAYS_KNOWN)

    assert reply.encode()


@pytest.mark.parametrize("name", NAMES)
def test_no_reply_is_cut(name: str) -> None:
    """With ordinary names every reply fits into its lines."""
    for occasion, words in personality.load(name).reply.items():
        reply = personality.load(name).say(occasion, **ALWAYS_KNOWN, **KNOWN_AT.get(occasion, {}))
        assert all(len(line.encode()) <= MAX_LINE for line in reply.text_lines)
        assert reply.code == words.code


@pytest.mark.parametrize("name", NAMES)
def test_a_field_makes_no_line(name: str) -> None:
    """What a client or a name server put into a field can't make a reply longer by a line."""
    words = personality.load(name)

    assert len(words.say("malformed_address", argument="a\n250 OK\r\nb").lines) == 1


def test_a_line_break_in_the_words_makes_a_line() -> None:
    """A reply has as many lines as its words."""
    plain = personality.load("plain")
    words = personality.ReplyText(214, "one {hostname}\ntwo")
    talkative = msgspec.structs.replace(plain, reply=plain.reply | {"help": words})

    assert talkative.say("help", hostname="mx") == Reply(214, ("one mx", "two"))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_attested_has_a_source(name: str) -> None:
    """Words that claim to be the original's tell where that can be read."""
    missing = [
        occasion
        for occasion, words in personality.load(name).reply.items()
        if words.attested != "no" and not words.source
    ]

    assert missing == []


def test_a_modern_server_attests_nothing() -> None:
    """`plain` imitates nobody."""
    assert {words.attested for words in personality.load("plain").reply.values()} == {"no"}


@pytest.mark.parametrize("name", NAMES)
def test_what_the_keyword_list_promises_is_there(name: str) -> None:
    """A listed extension brings its parameters and mechanisms, and none comes unlisted."""
    words = personality.load(name)
    keywords = {line.split()[0]: line.split()[1:] for line in words.extensions}
    mail = {
        *(("SIZE",) if "SIZE" in keywords else ()),
        *(("BODY",) if "8BITMIME" in keywords else ()),
        *(("SMTPUTF8",) if "SMTPUTF8" in keywords else ()),
        *(("RET", "ENVID") if "DSN" in keywords else ()),
        *(keywords.keys() & {"REQUIRETLS", "MT-PRIORITY"}),
        *(("AUTH",) if {"AUTH", "XAUTH"} & keywords.keys() else ()),
    }

    assert set(words.mail_parameters) == mail
    assert set(words.rcpt_parameters) == ({"NOTIFY", "ORCPT"} if "DSN" in keywords else set())
    assert list(words.auth_mechanisms) == keywords.get("AUTH", keywords.get("XAUTH", []))
    assert words.smtputf8 is ("SMTPUTF8" in keywords)


@pytest.mark.parametrize("name", ["ims-5.5", "ims-5.0", "imc-4.0"])
def test_ims_is_no_modern_server(name: str) -> None:
    """No IMS lists what came later, and its replies carry no x.y.z codes."""
    words = personality.load(name)
    keywords = {line.split()[0] for line in words.extensions}

    assert not keywords & {"8BITMIME", "PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES", "SMTPUTF8"}
    assert not [reply.text for reply in words.reply.values() if reply.text[1:2] == "."]


def test_every_enhanced_code_fits_its_reply() -> None:
    """Where `plain` gives an enhanced code, its class is the reply's (RFC 2034, section 4)."""
    for words in personality.load("plain").reply.values():
        enhanced = words.text.split()[0]
        if enhanced.count(".") == 2:
            assert enhanced[0] == str(words.code)[0]


def test_no_occasion_is_dead() -> None:
    """Every occasion is named somewhere in the code besides the list itself."""
    folder = Path(inspect.getfile(smtp)).parent
    named = {
        node.value
        for file in folder.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    assert personality.REPLY_KEYS - named == set()


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"surprise": personality.ReplyText(250, "OK")},
        {"noop": personality.ReplyText(99, "OK")},
        {"noop": personality.ReplyText(600, "OK")},
        {"noop": personality.ReplyText(250, "{")},
    ],
    ids=["incomplete", "unknown", "code too small", "code too big", "broken field"],
)
def test_data_that_is_not_whole_is_refused(reply: dict[str, personality.ReplyText]) -> None:
    """A mistake in a data file shows when it is read, not when the server has to speak."""
    plain = personality.load("plain")
    broken = msgspec.structs.replace(plain, reply=plain.reply | reply if reply else {})

    with pytest.raises(ValueError, match=r"plain|Single '{'"):
        personality.check(broken)
