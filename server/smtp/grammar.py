"""Grammar: the arguments of MAIL, RCPT and their parameters, read as RFC 5321, 4.1.2 has them."""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = re.compile(r"<([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+)>(?: +(.*))?\Z")
"""The lane that nearly all mail takes: a mailbox of letters, digits and harmless marks."""
_SOURCE_ROUTE: Final = re.compile(r"@[^@:,\s]+(?:,@[^@:,\s]+)*:")
_QUOTED: Final = re.compile(r'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"')
_ATOMS: Final = re.compile(r'[^\s<>()\[\]\\,;:"@\x00-\x20\x7f]+')
_DOMAIN: Final = re.compile(r'\[[^\[\]\\\s\x00-\x20\x7f]+\]|[^\s<>()\[\]\\,;:"@\x00-\x20\x7f]+')
_PARAMETER: Final = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e\x80-\U0010ffff]+))?"
)

_DSN: Final = "(?:SUCCESS|FAILURE|DELAY)"
_VALUES: Final = {
    "SIZE": re.compile(r"[0-9]{1,20}"),  # RFC 1870
    "BODY": re.compile(r"7BIT|8BITMIME|BINARYMIME", re.IGNORECASE),  # RFC 6152, RFC 3030
    "RET": re.compile(r"FULL|HDRS", re.IGNORECASE),  # RFC 3461, 4.3
    "NOTIFY": re.compile(rf"NEVER|{_DSN}(?:,{_DSN})*", re.IGNORECASE),  # RFC 3461, 4.1
    "ORCPT": re.compile(r"[^;]+;.+"),  # RFC 3461, 4.2
    "MT-PRIORITY": re.compile(r"0|-?[1-9]"),  # RFC 6710, 4.1
}
"""What the value of a parameter may be; others may be anything but absent."""

_WITHOUT_VALUE: Final = ("SMTPUTF8", "REQUIRETLS")
"""Parameters that have none (RFC 6531, RFC 8689)."""

Parameters = dict[str, str | None]


class MalformedAddressError(ValueError):
    """The argument is no address (RFC 821); `str()` is the argument as the client wrote it."""


class MalformedParameterError(ValueError):
    """The ESMTP parameters are not of the form KEYWORD or KEYWORD=VALUE; `str()` is the bad one."""


def strip_keyword(keyword: str, argument: str) -> str | None:
    """Give what follows `FROM:` or `TO:` (any case, blanks after the colon are fine), else None."""
    if argument[: len(keyword)].upper() != keyword:
        return None
    return argument[len(keyword) :].strip(" ")


def split_path(text: str, *, lenient: bool = False) -> tuple[str, str]:
    """
    Split a path and its parameters: `<a@b> SIZE=5` gives `a@b` and `SIZE=5`.

    Brackets may be missing and the local part may stand alone, as IMS accepts both (smtpscan's
    probes 1 and 7). A source route is dropped (RFC 5321, 4.1.1.3). The null path gives "".
    `lenient` takes malformed addresses as they come (AcceptMalformed821Adrs, KB Q191262).

    Raises `MalformedAddressError`.
    """
    plain = _PLAIN.match(text)
    if plain:
        return plain[1], (plain[2] or "").strip(" ")
    if text.startswith("<"):
        end = _end_of_path(text)
        inner, rest = (text[1:end], text[end + 1 :]) if end else ("", "")
        valid = bool(end) and (not rest or rest.startswith(" "))
    else:
        inner, _, rest = text.partition(" ")
        valid = True
    mailbox = _SOURCE_ROUTE.sub("", inner, count=1) if inner.startswith("@") else inner
    if valid and (not inner or is_mailbox(mailbox)):
        return mailbox, rest.strip(" ")
    if lenient:
        address, _, rest = text.partition(" ")
        return address.strip("<>"), rest.strip(" ")
    raise MalformedAddressError(text)


def _end_of_path(text: str) -> int:
    """Give the index of the bracket that closes the path, quoted strings skipped; 0 if none."""
    index = 1
    while index < len(text):
        if text[index] == '"':
            quoted = _QUOTED.match(text, index)
            if not quoted:
                return 0
            index = quoted.end()
        elif text[index] == ">":
            return index
        else:
            index += 1
    return 0


def is_mailbox(text: str) -> bool:
    """Tell whether this is a mailbox, `local@domain`, or a local part alone."""
    local = _QUOTED.match(text) or _ATOMS.match(text)
    if not local:
        return False
    rest = text[local.end() :]
    return not rest or (rest[0] == "@" and _DOMAIN.fullmatch(rest, 1) is not None)


def parse_parameters(text: str) -> Parameters:
    """
    Read ESMTP parameters in order, keywords in capitals, None where there is no `=`.

    Raises `MalformedParameterError`; a keyword that comes twice is malformed too.
    """
    parameters: Parameters = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if not match or match[1].upper() in parameters:
            raise MalformedParameterError(word)
        parameters[match[1].upper()] = match[2]
    return parameters


def is_parameter_value(keyword: str, value: str | None) -> bool:
    """Tell whether a parameter's value is one that its RFC allows, or rightly absent."""
    if keyword in _WITHOUT_VALUE or value is None:
        return keyword in _WITHOUT_VALUE and value is None
    pattern = _VALUES.get(keyword)
    return pattern is None or pattern.fullmatch(value) is not None


def domain_of(address: str) -> str:
    """Give an address's domain in small letters, "" for a local part alone."""
    _, at, domain = address.rpartition("@")
    return domain.lower() if at else ""
