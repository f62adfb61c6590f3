"""A real rsyslogd receives what the syslog sink sends, and finds every part of it."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bindpost import events
from bindpost.events import CATALOGUE
from bindpost.proxy.local import free_port
from bindpost.server.eventlog import EventRecord
from bindpost.server.eventlog.plain import plain_fields
from bindpost.server.eventlog.sinks.syslog import SyslogAddress, SyslogSink
from bindpost.testing import Serve

if TYPE_CHECKING:
    from tests.interop.conftest import StartNotifying

PATIENCE = 20.0
SETTINGS = """\
module(load="imudp")
module(load="imptcp")
template(name="facts" type="list" option.jsonf="on") {{
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="source" name="app-name" format="jsonf")
  property(outname="pid" name="procid" format="jsonf")
  property(outname="id" name="msgid" format="jsonf")
  property(outname="priority" name="pri" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
}}
ruleset(name="read") {{
  action(type="ompipe" pipe="{pipe}" template="facts")
}}
input(type="imudp" address="127.0.0.1" port="{udp}" ruleset="read")
input(type="imptcp" address="127.0.0.1" port="{tcp}" ruleset="read")
"""

PARAMETER = re.compile(r' (\w+)="((?:[^"\\\]]|\\["\\\]])*)"')
UNESCAPE = re.compile(r'\\(["\\\]])')
"""RFC 5424, 6.3.3. Where structured data ends is rsyslogd's own reading."""


class Receiver:
    """A rsyslogd with a UDP and a TCP port, and what it has received."""

    def __init__(
        self, daemon: Path, folder: Path, stack: ExitStack, start_notifying: StartNotifying
    ) -> None:
        self.udp = self.tcp = free_port(kinds=(socket.SOCK_DGRAM, socket.SOCK_STREAM))
        pipe, settings = folder / "pipe", folder / "rsyslog.conf"
        os.mkfifo(pipe)
        settings.write_text(
            SETTINGS.format(pipe=pipe, udp=self.udp, tcp=self.tcp), encoding="utf-8"
        )
        # Open for writing too, so that it has no end while rsyslogd opens it or lets go of it.
        self._lines = stack.enter_context(os.fdopen(os.open(pipe, os.O_RDWR), encoding="utf-8"))
        start_notifying(daemon, "-n", "-f", settings, "-i", folder / "pid")

    def next(self) -> dict[str, Any]:
        """Give the next message, as rsyslogd has understood it."""
        read: dict[str, Any] = json.loads(self._lines.readline())
        written = PARAMETER.findall(read["data"])
        return read | {"data": {name: UNESCAPE.sub(r"\1", value) for name, value in written}}


@pytest.fixture
def receiver(
    program: Callable[[str], Path], tmp_path: Path, start_notifying: StartNotifying
) -> Iterator[Receiver]:
    """Start a rsyslogd."""
    with ExitStack() as stack:
        yield Receiver(program("rsyslogd"), tmp_path, stack, start_notifying)


def test_every_event_is_understood(receiver: Receiver, bind_failed: EventRecord) -> None:
    """Over TCP, number, source, level and each insertion string, hostile ones, come back."""
    address = SyslogAddress("tcp", "127.0.0.1", receiver.tcp)
    sink = SyslogSink(address, facility=2, enterprise=32473)
    with closing(sink):
        for event in CATALOGUE:
            hostile = {name: f'{name} "]\\ \\' for name in event.parameters}
            strings = event.strings(plain_fields(hostile.items()))
            record = replace(
                bind_failed,
                definition=event,
                strings=strings,
                message=event.fill(strings),
                failure=None,
                level=event.level.logging_name,
            )
            sink.write(record)

            read = receiver.next()
            assert (read["source"], read["id"]) == (event.source, str(event.id))
            assert read["message"].removeprefix(" ") == record.message
            data = read["data"]
            assert data["eventId"] == str(event.id)
            assert [data[f"param{n}"] for n in range(1, len(strings) + 1)] == list(strings)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_failed_start_arrives(
    receiver: Receiver, serve: Serve, tmp_path: Path, transport: str
) -> None:
    """4007 and 4020 of `bindpost serve` are there before it has ended."""
    port = receiver.udp if transport == "udp" else receiver.tcp
    settings = f'[event_log]\nsyslog = "{transport}://127.0.0.1:{port}"\n'
    (tmp_path / "bindpost.toml").write_text(settings, encoding="utf-8")

    assert serve("--via", "winsock://127.0.0.1:1").wait_end() == 69

    read = receiver.next()
    while read["id"] != "4007":
        read = receiver.next()
    assert read["message"].strip() == events.BIND_FAILED.sentence({"wsa_error": 10050})
    assert read["priority"] == "19"
    assert read["data"]["errorName"] == "WSAENETDOWN"
    assert receiver.next()["id"] == "4020"
