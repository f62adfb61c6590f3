"""Events as XML: the order and the names of Windows' schema, whatever is in their texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost import events
from bindpost.events import CATALOGUE, EventType, Level
from bindpost.server.eventlog import EventRecord
from bindpost.server.eventlog.xml_form import NAMESPACE, document, event_xml, saved_xml
from bindpost.testing.saved import ONE_OF_EACH

Check = Callable[[str], None]
Make = Callable[..., EventRecord]
IN_EVENT = {"": NAMESPACE}


@pytest.fixture(scope="session")
def record(bind_failed: EventRecord) -> Make:
    """Give what makes a record as the log has it."""

    def make(definition: EventType, *strings: str) -> EventRecord:
        message = definition.fill(strings)
        return replace(bind_failed, definition=definition, strings=strings, message=message)

    return make


def texts(xml: str, name: str) -> list[str]:
    """Give the texts of all elements of this name, as a parser reads them."""
    root = ElementTree.fromstring(xml)
    return [element.text or "" for element in root.iter(f"{{{NAMESPACE}}}{name}")]


def test_4007(bind_failed: EventRecord, check_event: Check) -> None:
    """The XML of 4007 is exactly this, in the schema's order, with the sentence."""
    xml = event_xml(bind_failed)

    check_event(xml)
    assert xml == (
        f'<Event xmlns="{NAMESPACE}"><System><Provider Name="MSExchangeIMC" />'
        '<EventID Qualifiers="49152">4007</EventID><Version>0</Version><Level>2</Level>'
        "<Task>1</Task><Opcode>0</Opcode><Keywords>0x80000000000000</Keywords>"
        '<TimeCreated SystemTime="2026-11-23T15:00:08.740073Z" />'
        "<EventRecordID>1</EventRecordID><Correlation />"
        '<Execution ProcessID="16982" ThreadID="1" /><Channel>Application</Channel>'
        "<Computer>EXCH55</Computer><Security /></System>"
        "<EventData><Data>10050</Data><Binary>42270000</Binary></EventData>"
        '<RenderingInfo Culture="en-US"><Message>The following error occurred while trying to bind '
        "the TCP/IP listener socket (10050)</Message><Level>Error</Level><Opcode>Info</Opcode>"
        "<Task>Initialization/Termination</Task><Channel>Application</Channel>"
        "<Provider>MSExchangeIMC</Provider><Keywords><Keyword>Classic</Keyword></Keywords>"
        "</RenderingInfo></Event>"
    )


@pytest.mark.parametrize("definition", CATALOGUE, ids=lambda d: f"{d.source}-{d.id}")
def test_every_event_of_the_catalogue_is_valid(
    definition: EventType, record: Make, check_event: Check
) -> None:
    """Each event, with all of its strings, is event XML by the schema."""
    check_event(event_xml(record(definition, *definition.parameters)))


@pytest.mark.parametrize(
    ("level", "number", "name", "keywords"),
    [
        (Level.ERROR, "2", "Error", "0x80000000000000"),
        (Level.WARNING, "3", "Warning", "0x80000000000000"),
        (Level.INFORMATION, "4", "Information", "0x80000000000000"),
        (Level.AUDIT_SUCCESS, "0", "Information", "0xa0000000000000"),
        (Level.AUDIT_FAILURE, "0", "Information", "0x90000000000000"),
    ],
)
def test_levels(
    level: Level, number: str, name: str, keywords: str, record: Make, check_event: Check
) -> None:
    """An audit event has no level of its own; its keyword says what it is."""
    xml = event_xml(record(replace(events.BIND_FAILED, level=level), "10050"))

    check_event(xml)
    assert texts(xml, "Level") == [number, name]
    assert texts(xml, "Keywords")[0] == keywords


def test_what_xml_has_no_character_for_is_replaced(record: Make, check_event: Check) -> None:
    """Control characters, half a surrogate pair and NUL have stand-ins; CR stays what it is."""
    xml = event_xml(record(events.BIND_FAILED, "a\0b\x1bc\ud800d\uffffe\r\n\tf <&> ]]>"))

    check_event(xml)
    assert texts(xml, "Data") == ["a\u2400b\ufffdc\ufffdd\ufffde\r\n\tf <&> ]]>"]


@given(strings=st.lists(st.text(st.characters(codec=None))).map(tuple))
def test_any_strings_are_kept(record: Make, check_event: Check, strings: tuple[str, ...]) -> None:
    """Whatever is in the strings, the event is valid, and has as many of the same length."""
    xml = event_xml(record(events.BIND_FAILED, *strings))

    check_event(xml)
    assert [len(text) for text in texts(xml, "Data")] == [len(string) for string in strings]


def test_a_thread_without_a_windows_number_has_0(
    bind_failed: EventRecord, check_event: Check
) -> None:
    """A number of more than 32 bits, as macOS gives, is one that the schema has no room for."""
    xml = event_xml(replace(bind_failed, thread_id=0x7F0012345678))

    check_event(xml)
    assert 'ThreadID="0"' in xml


def test_plain_text_is_no_event(bind_failed: EventRecord) -> None:
    """What is not of the catalogue has no number, so there is no XML of it."""
    with pytest.raises(ValueError, match="not an event of the catalogue: plain"):
        event_xml(replace(bind_failed, definition=None, message="plain"))


def test_an_event_of_a_file_has_no_rendering(check_event: Check) -> None:
    """Of somebody's file the facts are told; the sentence isn't known."""
    for event in ONE_OF_EACH:
        xml = saved_xml(event)

        check_event(xml)
        assert texts(xml, "Data") == list(event.strings)
        assert "RenderingInfo" not in xml


def test_a_document_of_many(bind_failed: EventRecord) -> None:
    """Many events make one well-formed document, in order; none make an empty one."""
    many = [event_xml(bind_failed, number) for number in (1, 2, 3)]

    root = ElementTree.fromstring("".join(document(many)))

    assert root.tag == "Events"
    numbers = [event.findtext("System/EventRecordID", namespaces=IN_EVENT) for event in root]
    assert numbers == ["1", "2", "3"]
    assert list(ElementTree.fromstring("".join(document([])))) == []
