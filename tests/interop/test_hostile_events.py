"""What hostile clients say in HELO, MAIL, RCPT and AUTH reaches no terminal and breaks no form."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import pytest

from bindpost.events import AUTH_FAILED, CATALOGUE, MESSAGE_RECEIVED, RELAY_REFUSED
from bindpost.server.eventlog import evt, evtx
from bindpost.server.eventlog.xml_form import NAMESPACE, saved_xml
from bindpost.testing import Serving
from bindpost.testing.evt import BIND_FAILED

PATIENCE = 20.0
TEXTS: dict[str, bytes] = {
    "terminal sequences": b"\x1b]0;owned\x07\x1b[31;1mred\x1b[2J\x08\x7f",
    "a line of its own": b"x\r\n2026-11-23T15:00:08.740Z error   forged event_id=4007\n",
    "NUL": b"be\0fore",
    "C1": "\x9b31m\x85\x90".encode(),
    "bytes that are no UTF-8": b"\x80\xff\xfe\x9b31m",
    "lone surrogates": b"\xed\xa0\x80\xed\xbf\xbf",
    "direction marks": "\u202emoc\u2066\u2028\u2029\u061c".encode(),
    "message compiler's codes": b"%1 %2 %4 %9 %99 %n %t %r %0 %% %!",
    "parameter messages": b"%%1234 %%4294967295",
    "formats": b"%s %(user)s %d {} {0} {user!r} $user ${user}",
    "structured data": b'"] [forged@1 a="b" \\" \\] ]',
    "journal fields": b"MESSAGE=forged\nPRIORITY=0\nMESSAGE\n\x05\0\0\0\0\0\0\0owned\n",
    "markup": b"</Data></EventData><Event>&lt;]]>&#x1b;<!--",
    "JSON": b'","EventID":4007,"x":"\\u001b\\',
    "very much": b"A" * 32768,
    "much that is no text": b"\x1b\xff%1" * 8192,
}
CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
SETTINGS = """
[auth]
users = "users"
[ims]
RelayFlags = 10
RelayAllowList = ["192.0.2.1"]
LocalDomains = ["local.test"]
[event_log]
syslog = "unix:{folder}/syslog"
journald = "{folder}/journal"
"""
READY = "bindpost is ready: SMTP at "
NUMBERS = {event.id for event in CATALOGUE}
EXPECTED = {AUTH_FAILED.id, MESSAGE_RECEIVED.id, RELAY_REFUSED.id}


@dataclass
class Aftermath:
    """What was left behind: the records of the log, and all datagrams."""

    records: list[dict[str, Any]]
    syslog: list[str]
    journal: list[bytes]


class Client:
    """A client that says any bytes, one line at a time."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=PATIENCE)
        self._replies = self._socket.makefile("rb")

    def __enter__(self) -> Client:
        self.reply()
        return self

    def __exit__(self, *_: object) -> None:
        self._replies.close()
        self._socket.close()

    def reply(self) -> bytes:
        """Give the last line of a reply, nothing if the server has gone."""
        try:
            while line := self._replies.readline():
                if line[3:4] != b"-":
                    return line
        except ConnectionError:
            pass
        return b""

    def say(self, line: bytes) -> bytes:
        """Say a line, and give the reply."""
        try:
            self._socket.sendall(line + b"\r\n")
        except ConnectionError:
            return b""
        return self.reply()


def attack(address: tuple[str, int], text: bytes) -> None:
    """Say a text wherever a client may say one."""
    line = re.sub(rb"[\r\n]", b" ", text)  # what isn't encoded can't have a line break
    quoted = b'"' + re.sub(rb'(["\\])', rb"\\\1", line[:60]) + b'"'
    with Client(address) as client:
        client.say(b"HELO " + line)
        for local in (quoted, line, line[:40]):
            client.say(b"MAIL FROM:<" + local + b"@example.org>")
            client.say(b"RCPT TO:<" + local + b"@elsewhere.test>")
            client.say(b"RSET")
    with Client(address) as client:
        client.say(b"EHLO x")
        if client.say(b"AUTH LOGIN").startswith(b"334"):
            client.say(b64encode(text[:3000]))
            client.say(b64encode(b"wrong"))
        if not client.say(b"MAIL FROM:<" + quoted + b"@example.org>").startswith(b"250"):
            client.say(b"MAIL FROM:<a@example.org>")
        client.say(b"RCPT TO:<x@local.test>")
        if client.say(b"DATA").startswith(b"354"):
            client.say(b"Subject: " + text + b"\r\n\r\n" + text + b"\r\n.")


class Inbox:
    """A Unix socket that takes datagrams in a thread of its own, as a daemon does."""

    def __init__(self, path: Path) -> None:
        self.taken: list[bytes] = []
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._path)
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while datagram := self._socket.recv(1 << 20):
            self.taken.append(datagram)

    def close(self) -> None:
        """Return when all that has come is taken; an empty datagram is the end."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self._path)
        self._thread.join(PATIENCE)
        self._socket.close()


def run_attack(folder: Path, form: Literal["console", "json"]) -> Aftermath:
    """Start a listener, say every text to it, end it, and give what is left."""
    (folder / "users").write_text("joe:secret\n")
    (folder / "bindpost.toml").write_text(SETTINGS.format(folder=folder))
    syslog, journal = Inbox(folder / "syslog"), Inbox(folder / "journal")
    options = ["--log", form, "--listen", "127.0.0.1:0", "--web", "off", "--data", ":memory:"]
    serving = Serving(options, folder=folder)
    try:
        said = serving.wait_for(lambda record: READY in text_of(record))
        host, port = text_of(said).partition(READY)[2].split(",")[0].split(":")
        for text in TEXTS.values():
            attack((host, int(port)), text)
        assert serving.stop() == 0
    finally:
        serving.cleanup()
        syslog.close()
        journal.close()
    return Aftermath(serving.records, [*map(bytes.decode, syslog.taken)], journal.taken)


def text_of(record: Mapping[str, Any]) -> str:
    """Give a record's sentence; of the console form, the line."""
    text: str = record.get("not-json") or record["message"]
    return text


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    """Give what is left with the log in JSON."""
    return run_attack(tmp_path_factory.mktemp("json"), "json")


def texts_in(value: object) -> Iterator[str]:
    """Give every key and every text in a document."""
    match value:
        case str():
            yield value
        case dict():
            for key, inner in value.items():
                yield key
                yield from texts_in(inner)
        case list():
            for inner in value:
                yield from texts_in(inner)


def hostile(records: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Give the records of events that hold what clients said."""
    return [record for record in records if record.get("EventID") in EXPECTED]


def test_the_texts_came_through(aftermath: Aftermath) -> None:
    """Each event that tells a client's words was logged, and many times."""
    count = Counter(record["EventID"] for record in hostile(aftermath.records))

    assert set(count) == EXPECTED
    assert min(count.values()) >= len(TEXTS) // 2
    for told, place in ((MESSAGE_RECEIVED, 0), (RELAY_REFUSED, 0), (AUTH_FAILED, 2)):
        said = [r["Data"][place] for r in aftermath.records if r.get("EventID") == told.id]
        assert any("%1 %2 %4" in text for text in said)


def test_json_has_a_record_on_each_line(aftermath: Aftermath) -> None:
    """No line is torn, none is forged, and no text in it has a control character or surrogate."""
    assert [record for record in aftermath.records if "not-json" in record] == []
    assert not any(CONTROLS.search(text) for text in texts_in(aftermath.records))
    assert {record.get("EventID") for record in aftermath.records} <= {None, *NUMBERS}


def test_sentences_have_what_was_said_once(aftermath: Aftermath) -> None:
    """Codes of the message compiler stay as they were said: no text is expanded by another."""
    users = [r["Data"][2] for r in aftermath.records if r.get("EventID") == AUTH_FAILED.id]

    assert TEXTS["message compiler's codes"].decode() in users
    assert TEXTS["parameter messages"].decode() in users
    for record in hostile(aftermath.records):
        event = next(each for each in CATALOGUE if each.id == record["EventID"])
        assert record["message"] == event.fill(tuple(record["Data"]))


def test_the_console_has_a_record_on_each_line(tmp_path: Path) -> None:
    """Each line begins as ours do, has no control character, and is one of our events."""
    lines = [text_of(record) for record in run_attack(tmp_path, "console").records]

    assert sum("event_id=4183" in line for line in lines) >= len(TEXTS) // 2
    for line in lines:
        assert line.endswith("\n")
        assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (info|warning|error) ", line), line
        assert not CONTROLS.search(line[:-1]), line


def test_syslog_messages_are_whole(aftermath: Aftermath) -> None:
    """Each datagram is one RFC 5424 message whose structured data ends where they should."""
    value = r'"(?:[^"\\\]]|\\["\\\]])*"'
    form = re.compile(
        rf"<\d+>1 \S+ \S+ \S+ \d+ (?:-|\d+) (?:-|\[winlog@32473(?: [A-Za-z0-9]+={value})*\]) .+"
    )

    assert sum(" 4183 [" in message for message in aftermath.syslog) >= len(TEXTS) // 2
    for message in aftermath.syslog:
        assert not CONTROLS.search(message), message
        # A message that was cut at 2,048 octets may end within its structured data.
        assert form.fullmatch(message) or len(message.encode()) > 2040, message


def fields_of(datagram: bytes) -> dict[str, str]:
    """Read a datagram of journald's native protocol."""
    fields = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, is_short, value = line.partition(b"=")
        if not is_short:
            (length,) = struct.unpack_from("<Q", datagram)
            value, datagram = datagram[8 : 8 + length], datagram[8 + length + 1 :]
        assert name.decode() not in fields
        fields[name.decode()] = value.decode()
    return fields


def test_no_field_is_forged_in_the_journal(aftermath: Aftermath) -> None:
    """Each entry has our fields, each once, with one line in each."""
    entries = [fields_of(datagram) for datagram in aftermath.journal]
    ours = re.compile(
        "EVENT_[A-Z0-9]+|BINDPOST_[A-Z0-9_]+|SYSLOG_[A-Z]+|MESSAGE(_ID)?|PRIORITY|LOGGER"
    )

    assert sum(entry.get("EVENT_ID") == "4183" for entry in entries) >= len(TEXTS) // 2
    for entry in entries:
        assert [name for name in entry if not ours.fullmatch(name)] == []
        assert not any(map(CONTROLS.search, entry.values()))
        assert entry["PRIORITY"] in {"3", "4", "6"}


def test_evt_files_keep_the_strings(
    aftermath: Aftermath, program: Callable[[str], Path], tmp_path: Path
) -> None:
    """In an .evt file each string comes back whole, read by us and by libevt."""
    logged = hostile(aftermath.records)
    log = tmp_path / "AppEvent.Evt"
    evt.export([evt_of(record) for record in logged], log)

    with evt.EvtReader(log) as reader:
        assert [list(record.strings) for record in reader] == [r["Data"] for r in logged]
    shown = subprocess.run(
        [program("evtexport"), log], check=True, capture_output=True, text=True
    ).stdout
    assert re.findall(r"(?m)^String: \d+\t+: (.*)$", shown) == strings_of(logged)


def test_evtx_files_keep_the_strings(
    aftermath: Aftermath, program: Callable[[str], Path], tmp_path: Path
) -> None:
    """In an .evtx file too, and what libevtx makes of it is well-formed XML."""
    logged = hostile(aftermath.records)
    log = tmp_path / "Application.evtx"
    evtx.export([evt.to_saved(evt_of(record)) for record in logged], log)

    shown = subprocess.run(
        [program("evtxexport"), "-f", "xml", log], check=True, capture_output=True, text=True
    ).stdout
    documents = re.findall(r"(?s)<Event .*?</Event>", shown)
    assert [text for document in documents for text in data_of(document)] == strings_of(logged)


def test_event_xml_keeps_the_strings(aftermath: Aftermath) -> None:
    """Each string is a Data element's text again, on one line, and makes no element of its own."""
    logged = hostile(aftermath.records)

    documents = [saved_xml(evt.to_saved(evt_of(record))) for record in logged]

    assert [text for document in documents for text in data_of(document)] == strings_of(logged)
    assert not any(map(CONTROLS.search, documents))


def strings_of(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Give the insertion strings of all records."""
    return [text for record in records for text in record["Data"]]


def data_of(document: str) -> list[str]:
    """Give the Data elements of event XML; there must be nothing else in its EventData."""
    found = ElementTree.fromstring(document).find(f"{{{NAMESPACE}}}EventData")
    assert found is not None
    assert {each.tag for each in found} == {f"{{{NAMESPACE}}}Data"}
    return [each.text or "" for each in found]


def evt_of(record: Mapping[str, Any]) -> evt.EvtRecord:
    """Give a record of the JSON log as one of an event log file."""
    return replace(
        BIND_FAILED,
        identifier=record["Qualifiers"] << 16 | record["EventID"],
        strings=tuple(record["Data"]),
        data=b"",
    )
