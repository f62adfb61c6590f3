"""Personalities of other people: what is wrong with a file is told with file, line and key."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from bindpost.config.load import load as load_settings
from bindpost.config.model import Listener, Settings
from bindpost.errors import ConfigError
from bindpost.server.smtp import personality
from bindpost.server.smtp.occasions import OCCASIONS
from bindpost.server.smtp.service import Resources

HEAD = 'extends = "plain"\nname = "mine"\nproduct = "My server"\nbuild = "1"\n'
"""The first four lines of a good file."""

WRONG = {
    "unknown occasion": ("[reply]\nnoops = { code = 250, text = 'OK' }", "reply.noops", "noop?"),
    "nothing like it": ("[reply]\nx = { code = 250, text = 'OK' }", "reply.x", "lists them"),
    "unknown field": ("[reply]\nnoop = { code = 250, text = '{x}' }", "reply.noop.text", "{build}"),
    "another's field": (
        "[reply]\nnoop = { code = 250, text = '{address}' }",
        "reply.noop.text",
        "not known then",
    ),
    "an attribute": (
        "[reply]\nnoop = { code = 250, text = '{hostname.__class__}' }",
        "reply.noop.text",
        "not known then",
    ),
    "a format": (
        "[reply]\nnoop = { code = 250, text = '{hostname:>1000000000}' }",
        "reply.noop.text",
        "alone",
    ),
    "a conversion": (
        "[reply]\nnoop = { code = 250, text = '{hostname!r}' }",
        "reply.noop.text",
        "alone",
    ),
    "a brace": ("[reply]\nnoop = { code = 250, text = 'a } b' }", "reply.noop.text", "}}"),
    "CR": ('[reply]\nnoop = { code = 250, text = "a\\rb" }', "reply.noop.text", "printable"),
    "NUL": ('[reply]\nnoop = { code = 250, text = "a\\u0000b" }', "reply.noop.text", "printable"),
    "not ASCII": ("[reply]\nnoop = { code = 250, text = 'é' }", "reply.noop.text", "printable"),
    "too long": (
        f"[reply]\nnoop = {{ code = 250, text = '{'x' * 507}' }}",
        "reply.noop.text",
        "break it in two",
    ),
    "two digits": ("[reply]\nnoop = { code = 99, text = 'OK' }", "reply.noop.code", "three digits"),
    "four digits": ("[reply]\nnoop = { code = 2500, text = 'OK' }", "reply.noop.code", "three"),
    "600": ("[reply]\nnoop = { code = 600, text = 'OK' }", "reply.noop.code", "200 to 599"),
    "a text": ("[reply]\nnoop = { code = '250', text = '' }", "reply.noop.code", "whole number"),
    "untrue": ("[reply]\nmail_ok = { code = 550, text = 'no' }", "reply.mail_ok.code", "2yz"),
    "no 354": ("[reply]\ndata_start = { code = 250, text = 'go' }", "reply.data_start.code", "3yz"),
    "no code": ("[reply]\nnoop = { text = 'OK' }", "reply.noop.code", "is missing"),
    "no table": ("[reply]\nnoop = 'OK'", "reply.noop", "a table"),
    "no replies": ("reply = 3", "reply", "expected"),
    "unknown key": ("extension = []", "extension", "did you mean extensions?"),
    "an empty keyword": ('extensions = ["SIZE", ""]', "extensions", "keyword line"),
    "a broken keyword": ('extensions = ["A\\r\\nB"]', "extensions", "control character"),
    "a keyword's field": ('extensions = ["SIZE {limit}"]', "extensions", "{size}"),
    "a parameter": ('mail_parameters = ["size"]', "mail_parameters", "in capitals"),
    "a mechanism": ('auth_mechanisms = ["GSSAPI"]', "auth_mechanisms", "CRAM-MD5, EXTERNAL, LOGIN"),
}
"""What is behind the head of a file, the key that the error names, and a part of what it says."""


def _write(folder: Path, text: str) -> Path:
    file = folder / "mine.toml"
    file.write_text(text, "utf-8")
    return file


def test_a_file_says_what_it_wants_to(tmp_path: Path) -> None:
    """What it does not say is said as the one that it extends says it."""
    file = _write(tmp_path, HEAD + "[reply]\nnoop = { code = 250, text = 'Yes, {client}' }\n")

    mine = personality.load(str(file))

    assert (mine.name, mine.product, mine.build) == ("mine", "My server", "1")
    assert mine.say("noop", client="there").lines == ("Yes, there",)
    assert mine.reply["rset"] == personality.load("plain").reply["rset"]


@pytest.mark.parametrize(("rest", "key", "part"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_its_place(
    rest: str, key: str, part: str, tmp_path: Path
) -> None:
    """The error names the key, what is wrong and what to do, the file and the line."""
    file = _write(tmp_path, HEAD + rest + "\n")

    with pytest.raises(ConfigError) as caught:
        personality.load(str(file))

    assert caught.value.key == key
    assert part in str(caught.value)
    assert re.fullmatch(rf"{re.escape(str(file))}:[56]", caught.value.origin)


@pytest.mark.parametrize(
    ("text", "key", "part"),
    [
        ("", "name", "is missing"),
        ('extends = "plain"', "name", "is missing"),
        ('extends = "sendmail"', "extends", "choose imc-4.0"),
        ("extends = [1]", "extends", "choose imc-4.0"),
        (HEAD.replace('"mine"', '"ims-5.5"'), "name", "another name"),
        (HEAD.replace('"mine"', '"my own"'), "name", "write letters"),
        (
            'name = "mine"\nproduct = ""\nbuild = ""\nextensions = []\nmail_parameters = []\n'
            "rcpt_parameters = []\nauth_mechanisms = []\nreply = {}",
            "reply.greeting",
            'extends = "plain"',
        ),
        ("name = ", "", "not TOML"),
    ],
    ids=["empty", "no name", "no such base", "odd base", "taken", "odd name", "no words", "broken"],
)
def test_a_file_that_is_none_is_refused(text: str, key: str, part: str, tmp_path: Path) -> None:
    """A name of its own and words for all occasions, its own or another's, are wanted."""
    file = _write(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        personality.load(str(file))

    assert caught.value.key == key or not key
    assert part in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says which file, why, and where to read how one is written."""
    with pytest.raises(ConfigError, match=r"none\.toml.*No such file.*docs/personalities\.md"):
        personality.load(str(tmp_path / "none.toml"))


def test_a_package_without_its_file_is_told() -> None:
    """An entry point that leads nowhere names the package and the file."""
    entry = EntryPoint("mine", "bindpost.config", personality.PLUG_INS)

    with pytest.raises(ConfigError, match=r"bindpost\.config for mine has no file mine\.toml"):
        personality._installed(entry)


def test_a_file_is_relative_to_the_settings(tmp_path: Path) -> None:
    """In a configuration file a personality's file stands beside it, for each listener too."""
    _write(tmp_path, HEAD)
    (tmp_path / "bindpost.toml").write_text(
        'personality = "mine.toml"\n'
        '[[listener]]\nendpoint = "127.0.0.1:0"\n'
        '[[listener]]\nendpoint = "127.0.0.1:0"\npersonality = "./mine.toml"\n'
        '[[listener]]\nendpoint = "127.0.0.1:0"\npersonality = "ims-5.5"\n'
    )

    loaded = load_settings(file=tmp_path / "bindpost.toml", environ={})
    resources = Resources.load(loaded.settings, hostname="mx", folder=loaded.folder)

    names = [resources.personality_of(one).name for one in loaded.settings.listener]
    assert names == ["mine", "mine", "ims-5.5"]


def test_no_field_can_end_a_line(tmp_path: Path) -> None:
    """Whatever a client puts into a field, a reply has as many lines as its words."""
    replies = "".join(
        f"{name} = {{ code = {personality.load('plain').reply[name].code}, "
        f"text = '{' '.join(f'{{{field}}}' for field in occasion.fields)}' }}\n"
        for name, occasion in OCCASIONS.items()
        if occasion.fields
    )
    mine = personality.load(str(_write(tmp_path, f"{HEAD}[reply]\n{replies}")))
    evil = "a\r\n250 OK\n\0b"

    for name, occasion in OCCASIONS.items():
        if occasion.fields:
            said = mine.say(name, **dict.fromkeys(occasion.fields, evil)).encode()
            assert said.count(b"\n") == said.count(b"\r") == 1
            assert b"\0" not in said


def test_the_settings_of_an_unused_personality_count_too(tmp_path: Path) -> None:
    """A general personality that can't be is an error even if each listener has its own."""
    settings = Settings(
        personality="sendmail", listener=(Listener("127.0.0.1:0", personality="plain"),)
    )

    with pytest.raises(ConfigError, match="there is no personality 'sendmail'"):
        Resources.load(settings, hostname="mx", folder=tmp_path)
