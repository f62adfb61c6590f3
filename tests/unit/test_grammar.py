"""The grammar of MAIL's and RCPT's arguments: what is a path, a parameter, or neither."""

from __future__ import annotations

import pytest

from bindpost.server.smtp.grammar import (
    MalformedAddressError,
    MalformedParameterError,
    domain_of,
    is_mailbox,
    is_parameter_value,
    parse_parameters,
    split_path,
    strip_keyword,
)

WELL_FORMED = {
    # in brackets
    "<a@b>": ("a@b", ""),
    "<a@b> SIZE=5": ("a@b", "SIZE=5"),
    "<a@b>   SIZE=5 BODY=7BIT ": ("a@b", "SIZE=5 BODY=7BIT"),
    "<a.b+c_d-e=f@sub.example.org>": ("a.b+c_d-e=f@sub.example.org", ""),
    "<!#$%&'*+/=?^_`{|}~.-@b>": ("!#$%&'*+/=?^_`{|}~.-@b", ""),
    "<postmaster>": ("postmaster", ""),
    "<>": ("", ""),
    "<> RET=HDRS": ("", "RET=HDRS"),
    # without brackets (smtpscan, probes 1 and 7)
    "a@b": ("a@b", ""),
    "a@b SIZE=5": ("a@b", "SIZE=5"),
    "test": ("test", ""),
    "Name <a@b>": ("Name", "<a@b>"),
    # quoted local parts (RFC 5321, 4.1.2)
    '<"a b"@c>': ('"a b"@c', ""),
    '<"a@b"@c>': ('"a@b"@c', ""),
    '<"a>b"@c> SIZE=1': ('"a>b"@c', "SIZE=1"),
    r'<"a\"b"@c>': (r'"a\"b"@c', ""),
    r'<"a\\"@c>': (r'"a\\"@c', ""),
    '<""@c>': ('""@c', ""),
    '<"alone">': ('"alone"', ""),
    '"a"@b': ('"a"@b', ""),
    # source routes are dropped (RFC 5321, 4.1.1.3 and appendix C)
    "<@a:c@d>": ("c@d", ""),
    "<@a.test,@b.test:c@d> SIZE=5": ("c@d", "SIZE=5"),
    '<@a:"x y"@d>': ('"x y"@d', ""),
    "@a,@b:c@d": ("c@d", ""),
    # address literals (RFC 5321, 4.1.3)
    "<a@[127.0.0.1]>": ("a@[127.0.0.1]", ""),
    "<a@[IPv6:2001:db8::1]>": ("a@[IPv6:2001:db8::1]", ""),
    "<a@[x-tag:anything]>": ("a@[x-tag:anything]", ""),
    # UTF-8 (RFC 6531)
    "<ä@exämple.test>": ("ä@exämple.test", ""),
    "<用户@例子.测试> SMTPUTF8": ("用户@例子.测试", "SMTPUTF8"),
    '<"ü ü"@b>': ('"ü ü"@b', ""),
}

MALFORMED = (
    "<a@b",
    "<",
    ">",
    "<<a@b>>",
    "<a@b>>",
    "<a@b>SIZE=5",
    "<a@b>;",
    "a@b>",
    "<a b@c>",
    "<a@b c>",
    "<a@b@c>",
    "<a@>",
    "a@",
    "<@b>",
    "@b",
    "<@a:>",
    "<@a,@b:>",
    "@a:",
    "<@a,c@d>",
    "<@a:@b:c@d>",
    "<a,b@c>",
    "<a:b@c>",
    "<a;b@c>",
    "<a(comment)@c>",
    r"<a\b@c>",
    '<"a@b>',
    '<"a"b@c>',
    '<a"b"@c>',
    '<"a\\"@c>',
    "<a@[127.0.0.1>",
    "<a@127.0.0.1]>",
    "<a@[]>",
    "<a@[a b]>",
    "<a@b[c]>",
    "< a@b >",
    "<a\t@b>",
    "<a@b\t>",
    "<a\x7f@b>",
    "<a\u2028@b>",
    "<a@b\u00a0>",
    '"a b"@c',
)


@pytest.mark.parametrize(("text", "parts"), WELL_FORMED.items())
def test_a_path_is_split_from_its_parameters(text: str, parts: tuple[str, str]) -> None:
    """A path comes out without brackets and route, and what follows it as it was written."""
    assert split_path(text) == parts


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_path_is_told_as_it_was_written(text: str) -> None:
    """What is no path is refused, and the error is the client's own text."""
    with pytest.raises(MalformedAddressError) as caught:
        split_path(text)

    assert str(caught.value) == text


@pytest.mark.parametrize("text", MALFORMED)
def test_lenience_takes_malformed_paths_up_to_the_first_blank(text: str) -> None:
    """With AcceptMalformed821Adrs nothing is refused (KB Q191262)."""
    address, _rest = split_path(text, lenient=True)

    assert " " not in address
    assert address.strip("<>") == address


@pytest.mark.parametrize(("text", "parts"), WELL_FORMED.items())
def test_lenience_changes_nothing_for_good_paths(text: str, parts: tuple[str, str]) -> None:
    """A well-formed path is read the same with AcceptMalformed821Adrs."""
    assert split_path(text, lenient=True) == parts


@pytest.mark.parametrize(
    ("text", "answer"),
    {
        "a@b": True,
        "a": True,
        '"a b"': True,
        '"a b"@c': True,
        "a@[1.2.3.4]": True,
        "": False,
        "@": False,
        "a@": False,
        "@b": False,
        "a@b@c": False,
        '""x@b': False,
    }.items(),
)
def test_a_mailbox_is_a_local_part_with_or_without_domain(text: str, answer: bool) -> None:
    """A local part may stand alone, a domain may not."""
    assert is_mailbox(text) is answer


@pytest.mark.parametrize(
    ("argument", "rest"),
    {
        "FROM:<a@b>": "<a@b>",
        "from:<a@b>": "<a@b>",
        "FrOm:   <a@b> SIZE=5": "<a@b> SIZE=5",
        "FROM:": "",
        "FROM:  ": "",
        "FROM <a@b>": None,
        "FROM : <a@b>": None,
        "TO:<a@b>": None,
        "": None,
        "<a@b>": None,
        "XFROM:<a@b>": None,
    }.items(),
)
def test_the_keyword_is_taken_off(argument: str, rest: str | None) -> None:
    """`FROM:` has no case and may be followed by blanks; without its colon it is no keyword."""
    assert strip_keyword("FROM:", argument) == rest


@pytest.mark.parametrize(
    ("text", "parameters"),
    {
        "": {},
        "SIZE=5": {"SIZE": "5"},
        "size=5": {"SIZE": "5"},
        "SMTPUTF8": {"SMTPUTF8": None},
        "SIZE=5  BODY=8BITMIME": {"SIZE": "5", "BODY": "8BITMIME"},
        "X-MY-2=v": {"X-MY-2": "v"},
        "ORCPT=rfc822;a+20b@c": {"ORCPT": "rfc822;a+20b@c"},
        "ORCPT=utf-8;ä@b": {"ORCPT": "utf-8;ä@b"},
        "AUTH=<>": {"AUTH": "<>"},
        "NOTIFY=SUCCESS,FAILURE": {"NOTIFY": "SUCCESS,FAILURE"},
    }.items(),
)
def test_parameters_are_read_in_order(text: str, parameters: dict[str, str | None]) -> None:
    """Parameters come out in their order, keywords in capitals, values as written."""
    assert list(parse_parameters(text).items()) == list(parameters.items())


@pytest.mark.parametrize(
    ("text", "bad"),
    {
        "SIZE=": "SIZE=",
        "=5": "=5",
        "SIZE==5": "SIZE==5",
        "SIZE=5=6": "SIZE=5=6",
        "-X=1": "-X=1",
        "SI_ZE=1": "SI_ZE=1",
        "SIZE=5 SIZE=6": "SIZE=6",
        "SIZE=5 size": "size",
        "BODY=7BIT <x>": "<x>",
        "ÄX=1": "ÄX=1",
    }.items(),
)
def test_a_malformed_parameter_is_named(text: str, bad: str) -> None:
    """The first parameter that is no KEYWORD or KEYWORD=VALUE, or comes twice, is told."""
    with pytest.raises(MalformedParameterError) as caught:
        parse_parameters(text)

    assert str(caught.value) == bad


@pytest.mark.parametrize(
    ("keyword", "value", "answer"),
    [
        ("SIZE", "0", True),
        ("SIZE", "9" * 20, True),
        ("SIZE", "9" * 21, False),
        ("SIZE", "-1", False),
        ("SIZE", "٣", False),
        ("SIZE", None, False),
        ("BODY", "8bitmime", True),
        ("BODY", "7BIT", True),
        ("BODY", "BINARYMIME", True),
        ("BODY", "BINARY", False),
        ("RET", "full", True),
        ("RET", "HDRS", True),
        ("RET", "BODY", False),
        ("NOTIFY", "NEVER", True),
        ("NOTIFY", "success,delay,failure", True),
        ("NOTIFY", "NEVER,SUCCESS", False),
        ("NOTIFY", "SUCCESS,", False),
        ("ORCPT", "rfc822;a@b", True),
        ("ORCPT", "a@b", False),
        ("ORCPT", "rfc822;", False),
        ("ENVID", "x1", True),
        ("ENVID", None, False),
        ("AUTH", "<>", True),
        ("AUTH", None, False),
        ("SMTPUTF8", None, True),
        ("SMTPUTF8", "yes", False),
        ("REQUIRETLS", None, True),
        ("REQUIRETLS", "yes", False),
        ("MT-PRIORITY", "-9", True),
        ("MT-PRIORITY", "0", True),
        ("MT-PRIORITY", "-0", False),
        ("MT-PRIORITY", "10", False),
        ("MT-PRIORITY", "+3", False),
    ],
)
def test_a_value_is_one_that_its_rfc_allows(keyword: str, value: str | None, answer: bool) -> None:
    """Each parameter has its own values (RFC 1870, 3030, 3461, 6152, 6531, 6710, 8689)."""
    assert is_parameter_value(keyword, value) is answer


@pytest.mark.parametrize(
    ("address", "domain"),
    {
        "a@Example.ORG": "example.org",
        '"x@y"@Z': "z",
        "a@[127.0.0.1]": "[127.0.0.1]",
        "postmaster": "",
        "": "",
    }.items(),
)
def test_the_domain_is_in_small_letters(address: str, domain: str) -> None:
    """The domain is what follows the last @."""
    assert domain_of(address) == domain
