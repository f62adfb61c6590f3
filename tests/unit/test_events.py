"""The event catalogue: its numbers and sentences are what users and alerting rules rely on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bindpost import events
from bindpost.events import CATALOGUE, IMS, OURS, EventType, Level

ALL = pytest.mark.parametrize("event", CATALOGUE, ids=lambda event: f"{event.source}-{event.id}")

ECS_TYPES = {
    "authentication": {"start", "end", "info"},
    "configuration": {"access", "change", "creation", "deletion", "info"},
    "database": {"access", "change", "error", "info"},
    "email": {"info"},
    "host": {"access", "change", "end", "info", "start"},
    "network": {
        "access",
        "allowed",
        "connection",
        "denied",
        "end",
        "info",
        "protocol",
        "start",
    },
    "process": {"access", "change", "end", "info", "start"},
    "web": {"access", "error", "info"},
}
"""What ECS 8.17 allows as event.type beside these values of event.category."""

PEERS_TEXT = {"sender", "host", "user", "recipient", "peer", "error", "helo"}
"""Fields that hold what a peer said or is called."""


def test_4007_has_the_sentence_of_the_article() -> None:
    """The sentence of 4007 is the article's, with the Winsock code put in (KB Q203116)."""
    assert events.BIND_FAILED.sentence({"wsa_error": 10050}) == (
        "The following error occurred while trying to bind the TCP/IP listener socket (10050)"
    )


def test_4007_keeps_its_identity() -> None:
    """Number, source, 32-bit identifier and MESSAGE_ID of 4007 never change."""
    event = events.BIND_FAILED

    assert (event.id, event.source, event.level) == (4007, "MSExchangeIMC", Level.ERROR)
    assert event.identifier == 0xC0000FA7
    assert event.qualifiers == 0xC000
    assert event.category.title == "Initialization/Termination"
    assert event.message_id == "ba5ffd15b17858618853d814b0f89d4a"


def test_our_numbers_are_never_reassigned() -> None:
    """Each of our events keeps its number."""
    numbers = {event.id: event.action for event in CATALOGUE if event.source == OURS}

    assert numbers == {
        100: "ready",
        101: "listener-bound",
        102: "session-refused",
        103: "path-lost",
        104: "path-recovered",
        105: "rebind-attempt",
        106: "store-failed",
        107: "web-bound",
        108: "draining",
        109: "cut",
        110: "client-dropped",
        111: "tls-failed",
        112: "retention-swept",
        113: "service-start-failed",
        114: "internal-error",
        115: "protocol-log-failed",
        116: "bind-web",
        117: "request-failed",
        118: "reloaded",
        119: "reload-failed",
        130: "proxy-header-unexpected",
        131: "messages-received",
        200: "fault-fired",
        210: "node-gone",
        211: "node-back",
        212: "node-doubled",
        140: "single-session",
        120: "relay-on",
        121: "relay-sent",
        122: "relay-delayed",
        123: "relay-failed",
        124: "relay-loop",
        125: "relay-error",
        160: "standin-ready",
        161: "standin-session",
        162: "standin-bound",
        163: "standin-refused",
        164: "standin-announced",
        165: "standin-dropped",
        166: "standin-ended",
        167: "standin-connected",
        168: "client-file-odd",
        150: "sink-failed",
        151: "sink-recovered",
        152: "events-folded",
        155: "root-given-up",
        156: "store-back",
        170: "pop3-bound",
        171: "bind-pop3",
        172: "pop3-login-refused",
        173: "pop3-session",
        174: "pop3-error",
        175: "webhook-on",
        176: "webhook-delivered",
        177: "webhook-delayed",
        178: "webhook-failed",
        179: "webhook-error",
        180: "web-login-failed",
        181: "web-login-limited",
        182: "web-open",
        183: "web-unencrypted",
        190: "scenario-started",
        191: "scenario-ended",
        192: "scenario-broken",
        195: "indexer-failed",
        196: "index-rebuilt",
        197: "index-impossible",
    }


def test_only_events_that_ims_had_are_under_its_source() -> None:
    """The source MSExchangeIMC has only numbers that are known of the original."""
    known = {1000, 1001, 2002, 2003, 2004, 3010, 3011, 3018, 3041}
    known |= {4003, 4007, 4020, 4051, 4183, 4188}

    assert {event.id for event in CATALOGUE if event.source == IMS} == known


@pytest.mark.parametrize(
    "key",
    [
        lambda event: (event.source, event.id),
        lambda event: event.message_id,
        lambda event: event.action,
        lambda event: event.symbol,
    ],
    ids=["number", "message_id", "action", "symbol"],
)
def test_no_two_events_share(key: object) -> None:
    """Number within a source, MESSAGE_ID, action and symbol tell every event from the others."""
    assert callable(key)
    values = [key(event) for event in CATALOGUE]

    assert len(set(values)) == len(values)


def test_every_constant_is_in_the_catalogue() -> None:
    """What the package exports as an event and what the catalogue lists is the same."""
    exported = {
        value for name in events.__all__ if isinstance(value := getattr(events, name), EventType)
    }

    assert exported == set(CATALOGUE)


@ALL
def test_placeholders_match_the_parameters(event: EventType) -> None:
    """A template has exactly the placeholders %1 to %n for its n parameters."""
    placeholders = {int(number) for number in re.findall(r"%(\d+)", event.template)}

    assert placeholders == set(range(1, len(event.parameters) + 1))


@ALL
def test_field_names_are_not_repeated(event: EventType) -> None:
    """No field of an event is named twice."""
    names = event.parameters + event.details

    assert len(set(names)) == len(names)


@ALL
def test_what_is_attested_names_its_source(event: EventType) -> None:
    """What is said to be attested is text, type or category, and has an article beside it."""
    assert event.attested <= {"text", "type", "category"}
    assert bool(event.attested) == bool(event.reference)


@ALL
def test_an_event_explains_itself(event: EventType) -> None:
    """Every event says what it means and what to do, in sentences."""
    assert event.explanation.endswith((".", "`"))
    assert event.remedy.endswith(".")


@ALL
def test_ecs_classification_is_one_that_ecs_allows(event: EventType) -> None:
    """Category and type of an event are a pair that the Elastic Common Schema allows."""
    category, kind = event.ecs

    assert kind in ECS_TYPES[category]


@ALL
def test_our_sentences_carry_nothing_of_a_peer(event: EventType) -> None:
    """Only IMS's own sentences hold what a peer sent; the host of 113 is this machine."""
    if event.source == OURS and event is not events.SERVICE_START_FAILED:
        assert not PEERS_TEXT & set(event.parameters)


@ALL
def test_no_sentence_has_a_line_break(event: EventType) -> None:
    """Every template is one line of printable ASCII."""
    assert event.template.isascii()
    assert event.template.isprintable()


@pytest.mark.parametrize(
    ("event", "fields", "sentence"),
    [
        (
            events.MESSAGE_RECEIVED,
            {"sender": "alias@company.com", "file": "KPFYCMQB", "host": "company.com"},
            "A message from <alias@company.com> in temporary file KPFYCMQB was received from "
            "company.com with 1 local recipients.",
        ),
        (
            events.CONNECTION_MADE,
            {"host": "192.0.2.25", "domain": "domain.com"},
            "A new TCP/IP connection has been made to host 192.0.2.25 (for domain.com).",
        ),
        (
            events.CONNECT_FAILED,
            {"domain": "domain.com"},
            "An attempt to connect to host domain.com failed.",
        ),
        (
            events.CONNECT_REFUSED,
            {"host": "192.0.2.25", "domain": "domain.com"},
            "An attempt to connect to host 192.0.2.25 for domain.com was refused.",
        ),
        (
            events.DISK_LOW,
            {"kilobytes": 10240},
            "The available disk space on the spool drive has dropped below (10240)K. The Internet "
            "Mail Connector will not accept messages for inbound and outbound conversion until "
            "the available disk space has increased above (10240)K.",
        ),
        (
            events.RECIPIENTS_EXCEEDED,
            {"limit": 32766},
            "Unable to deliver mail to all recipients. The total number of recipients exceeds "
            "32766.",
        ),
        (
            events.PROTOCOL_INFORMATION_FAILED,
            {"wsa_error": 11004},
            "The following error occurred while trying to retrieve protocol information. "
            "Error=11004",
        ),
        (
            events.BODY_TIMEOUT,
            {"host": "mail.example"},
            "A time-out occurred while trying to receive mail from mail.example and while waiting "
            "for the message body.",
        ),
        (
            events.AUTH_FAILED,
            {
                "mechanism": "LOGIN",
                "host": "mail.example",
                "user": "joe",
                "error": "Logon failure: unknown user name or bad password.",
            },
            "Authentication attempt (AUTH LOGIN) from mail.example as joe failed: LogonUser() call "
            "failed with error: Logon failure: unknown user name or bad password.",
        ),
    ],
    ids=["2002", "2003", "3010", "3011", "3018", "3041", "4003", "4051", "4183"],
)
def test_attested_sentences(event: EventType, fields: dict[str, object], sentence: str) -> None:
    """The sentences that articles print come out as printed."""
    assert "text" in event.attested
    assert event.sentence({"recipients": 1, **fields}) == sentence


def test_an_insertion_string_is_not_expanded_again() -> None:
    """A `%2` that a client put into its user name stays as it is."""
    said = events.AUTH_FAILED.sentence(
        {"mechanism": "LOGIN", "host": "%3", "user": "%1%4", "error": "%2"}
    )

    assert "from %3 as %1%4 failed" in said
    assert said.endswith("error: %2")


def test_a_missing_field_is_an_error() -> None:
    """A sentence cannot be made without the fields that it needs."""
    with pytest.raises(KeyError, match="wsa_error"):
        events.BIND_FAILED.sentence({})


def test_a_placeholder_without_a_string_stays() -> None:
    """Filled with too few strings, a template keeps its placeholder, as in Event Viewer."""
    assert events.BIND_FAILED.fill(()) == events.BIND_FAILED.template


def test_lists_and_nothing_read_well_in_a_sentence() -> None:
    """A list stands in a sentence with commas, and nothing as `none`."""
    said = events.READY.sentence({"smtp": ["127.0.0.1:25", "[::1]:25"], "web": None})

    assert said == "bindpost is ready: SMTP at 127.0.0.1:25, [::1]:25, web at none."
    said = events.READY.sentence({"smtp": [], "web": "http://127.0.0.1:8025"})
    assert said == "bindpost is ready: SMTP at none, web at http://127.0.0.1:8025."


def _calls() -> Iterator[tuple[str, str, set[str | None]]]:
    """Find each call `name(events.EVENT, field=...)` in our code: place, event, fields."""
    root = Path(__file__).parents[2]
    for folder in ("server", "proxy", "bindpost/cli"):
        for path in sorted((root / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(
                        args=[ast.Attribute(value=ast.Name(id="events"), attr=event), *_],
                        keywords=keywords,
                    ):
                        place = f"{path.relative_to(root)}:{node.lineno}"
                        yield place, event, {keyword.arg for keyword in keywords}


def test_call_sites_give_what_the_sentences_need() -> None:
    """Each place that logs an event gives it its insertion strings, or fields by `**`."""
    by_session = {"session", "listener", "peer"}  # a session adds them to whatever it reports
    lacking = {
        place: missing
        for place, event, given in _calls()
        if None not in given
        and (missing := set(getattr(events, event).parameters) - given - by_session)
    }

    assert lacking == {}


def _mentioned() -> set[str]:
    """Find the names by which our code outside of the catalogue's tables speaks of events."""
    root = Path(__file__).parents[2]
    names: set[str] = set()
    for folder in ("server", "proxy", "config", "bindpost/cli", "bindpost/events"):
        for path in sorted((root / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
            for node in functions if folder == "bindpost/events" else [tree]:
                for found in ast.walk(node):
                    match found:
                        case ast.Attribute(value=ast.Name(id="events"), attr=name):
                            names.add(name)
                        case ast.Name(id=name, ctx=ast.Load()):
                            names.add(name)
    return names


def test_every_event_has_an_occasion() -> None:
    """What is in the catalogue is logged somewhere: nobody shall wait for what never comes."""
    constants = {name for name in events.__all__ if isinstance(getattr(events, name), EventType)}

    assert constants - _mentioned() == set()


def test_an_event_reads_as_its_template() -> None:
    """Where nobody renders it, an event shows its sentence with the placeholders."""
    assert str(events.SERVICE_STOPPED) == events.SERVICE_STOPPED.template


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (Level.ERROR, "error"),
        (Level.WARNING, "warning"),
        (Level.INFORMATION, "info"),
        (Level.AUDIT_SUCCESS, "info"),
        (Level.AUDIT_FAILURE, "warning"),
    ],
)
def test_each_type_has_a_log_level(level: Level, name: str) -> None:
    """Every NT event type is logged at a level that logging has."""
    assert level.logging_name == name
