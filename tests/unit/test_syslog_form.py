"""RFC 5424 messages, held against the grammar; tests/interop/test_rsyslog.py has a real reader."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.eventlog.plain import plain_text
from bindpost.server.eventlog.record import EventRecord
from bindpost.server.eventlog.sinks.syslog import LONGEST_DATAGRAM, SyslogAddress
from bindpost.server.eventlog.sinks.syslog_form import encode

RFC_5424 = re.compile(
    r"<\d{1,3}>1 (?P<time>\S+) (?P<host>[!-~]{1,255}) MSExchangeIMC \d+ 4007 "
    r'\[winlog@32473(?: (?!param1)[!-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*'
    r' param1="(?P<value>(?:[^"\\\]]|\\["\\\]])*)"'
    r'(?: [!-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\] (?P<msg>.*)',
    re.DOTALL,
)
"""A message of 4007 by the ABNF of RFC 5424, 6."""
UNESCAPE = re.compile(r'\\(["\\\]])')


def test_4007_to_the_letter(bind_failed: EventRecord) -> None:
    """4007 comes from the mail facility, severity error, with its facts as structured data."""
    assert encode(bind_failed).decode() == (
        "<19>1 2026-11-23T15:00:08.740073Z EXCH55 MSExchangeIMC 16982 4007 "
        '[winlog@32473 channel="Application" provider="MSExchangeIMC" eventId="4007" level="error" '
        'task="Initialization/Termination" param1="10050" errorCode="10050" '
        'errorName="WSAENETDOWN"] '
        "The following error occurred while trying to bind the TCP/IP listener socket (10050)"
    )


@given(host=st.text(), said=st.text(), value=st.text())
def test_whatever_a_peer_says_breaks_no_message(
    host: str, said: str, value: str, bind_failed: EventRecord
) -> None:
    """Hostile text, made plain as every record's is, stays inside its field, on one line."""
    record = replace(
        bind_failed, host=plain_text(host), message=plain_text(said), strings=(plain_text(value),)
    )

    message = encode(record)

    assert not any(byte < 0x20 for byte in message)
    read = RFC_5424.fullmatch(message.decode("utf-8"))
    assert read is not None
    assert UNESCAPE.sub(r"\1", read["value"]) == plain_text(value)
    assert read["msg"] == plain_text(said)


def test_text_that_is_no_event_has_no_data(bind_failed: EventRecord) -> None:
    """A plain line has neither number nor structured data."""
    text = replace(bind_failed, definition=None, strings=(), message="hello")

    assert encode(text).endswith(b" EXCH55 bindpost 16982 - - hello")


def test_facility_and_enterprise_are_settings(bind_failed: EventRecord) -> None:
    """Facility local0 and another enterprise number show where they belong."""
    message = encode(bind_failed, facility=16, enterprise=99999)

    assert message.startswith(b"<131>1 ")
    assert b"[winlog@99999 " in message


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("udp://192.0.2.1", SyslogAddress("udp", "192.0.2.1", 514)),
        ("tcp://log.example:1601", SyslogAddress("tcp", "log.example", 1601)),
        ("udp://[::1]:5514", SyslogAddress("udp", "::1", 5514)),
        ("unix:/dev/log", SyslogAddress("unix", path="/dev/log")),
    ],
)
def test_addresses(text: str, address: SyslogAddress) -> None:
    """The address forms that the settings take."""
    assert SyslogAddress.parse(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "localhost",
        "udp:514",
        "tcp://",
        "unix:log",
        "unix://host/x",
        "http://x",
        "udp://x:y",
        "tcp://x/y",
    ],
)
def test_what_is_no_address(text: str) -> None:
    """Anything else is refused, with the forms that are known or what is wrong with the port."""
    with pytest.raises(ValueError, match=r"write udp://|[Pp]ort"):
        SyslogAddress.parse(text)


def test_the_longest_datagram_is_named() -> None:
    """Receivers take 2,048 octets (RFC 5424, 6.1)."""
    assert LONGEST_DATAGRAM == 2048
