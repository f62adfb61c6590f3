"""
The routes of bindpost's own API, described: a line here for each, or a test fails.

A key is the method and the path as the route has it. The document is made from this table
(openapi.py); tests/web/test_openapi.py holds it against the routes and what their handlers read.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from bindpost.config.fault import Fault

from ..message.job import Job
from ..store.index_state import IndexState
from . import (
    check_objects,
    event_objects,
    fault_objects,
    faults,
    listener_objects,
    mailboxes,
    marking,
    moving,
    native_objects,
    node_objects,
    release_objects,
    scenario_objects,
    webhook_objects,
)
from .choice_objects import DeleteAll, DeleteFound, DeleteThese, MarkAll, MarkFound, MarkThese
from .operation import BYTES, Answer, Body, Operation, Parameter, json_of, sentence
from .parameters import (
    AFTER,
    CRITERIA,
    EVENTS,
    FAULT,
    ID,
    LIMIT,
    MESSAGES,
    RAW,
    SCENARIO,
    Address,
    Addresses,
    Flag,
    Number,
    Seconds,
)

PREFIX: Final = "/api/bindpost/v1"

_EXPORTS: Final = ("application/x-ndjson", "application/xml", BYTES)
_BAD_QUERY: Final = sentence("A parameter is wrong; the text says which.")
_NO_MESSAGE: Final = sentence("There is no such message.")
_NO_FAULT: Final = sentence("There is no fault of this name.")
_BAD_FAULT: Final = sentence("The rule can't be: the text says why. Nothing has changed.")
_NO_SCENARIO: Final = sentence("There is no such scenario.")
_NO_EVENTS: Final = sentence("No events are kept.")
_TOO_LARGE: Final = sentence("The body is larger than 5 MiB.")
_NOT_RELEASED: Final = sentence("The relay is off, or an address or the body is wrong.")


def _file(description: str, *media_types: str) -> Answer:
    return Answer(description, media_types, bytes)


OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        f"GET {PREFIX}/openapi.json": Operation(
            summary="This document",
            answers={200: json_of(dict[str, Any], "An OpenAPI document.")},
        ),
        f"GET {PREFIX}/wait": Operation(
            summary="Wait for a message",
            parameters=(
                *CRITERIA,
                RAW,
                Parameter("timeout", "Seconds to wait.", Seconds),
            ),
            answers={
                200: json_of(native_objects.Message, "The message."),
                204: Answer("None has come in time."),
                400: _BAD_QUERY,
            },
        ),
        f"GET {PREFIX}/mailboxes": Operation(
            summary="The mailboxes, and how much is in each",
            answers={200: json_of(mailboxes.MailboxList, "The mailboxes that may be seen.")},
        ),
        f"GET {PREFIX}/messages": Operation(
            summary="Messages, newest first",
            parameters=(
                *CRITERIA,
                Parameter("query", "A search, as Mailpit's API takes it.", str),
                Parameter("tz", "The time zone of the search's dates, `Europe/Berlin`.", str),
                LIMIT,
            ),
            answers={
                200: json_of(native_objects.Messages, "A page of them."),
                400: _BAD_QUERY,
                503: sentence("Nothing could be found in time; the text says what was not seen."),
            },
        ),
        f"PATCH {PREFIX}/messages": Operation(
            summary="Set or clear read flags",
            body=Body((MarkThese, MarkAll, MarkFound)),
            answers={
                200: json_of(marking.Marked, "How many have changed."),
                400: sentence("The body is wrong; nothing was marked."),
                413: _TOO_LARGE,
            },
        ),
        f"GET {PREFIX}/stream": Operation(
            summary="Changes of the inbox as they happen, as server-sent events",
            parameters=(
                AFTER,
                Parameter("Last-Event-ID", "The cursor that was seen last.", Number, "header"),
            ),
            answers={
                200: Answer("The stream.", ("text/event-stream; charset=utf-8",), str),
                400: _BAD_QUERY,
            },
        ),
        f"DELETE {PREFIX}/messages": Operation(
            summary="Delete messages",
            body=Body((DeleteThese, DeleteAll, DeleteFound)),
            answers={
                200: json_of(native_objects.Deleted, "What was deleted."),
                400: sentence("The body is wrong; nothing was deleted."),
                413: _TOO_LARGE,
            },
        ),
        f"GET {PREFIX}/messages/{{id}}": Operation(
            summary="All that is known of a message",
            parameters=(ID, RAW),
            answers={
                200: json_of(native_objects.Message, "The message."),
                400: _BAD_QUERY,
                404: _NO_MESSAGE,
            },
        ),
        f"GET {PREFIX}/messages/{{id}}/raw": Operation(
            summary="A message's bytes as received",
            parameters=(ID,),
            answers={200: _file("The bytes.", BYTES), 404: _NO_MESSAGE},
        ),
        f"GET {PREFIX}/messages/{{id}}/html-check": Operation(
            summary="Which features of a message's HTML mail programs don't support",
            parameters=(ID,),
            answers={
                200: json_of(check_objects.HtmlCheck, "The features, the least supported first."),
                404: sentence("There is no such message, or it has no HTML."),
            },
        ),
        f"POST {PREFIX}/messages/{{id}}/link-check": Operation(
            summary="Ask whether the links of a message are there",
            parameters=(
                ID,
                Parameter("follow", "Whether redirects are followed.", Flag),
            ),
            answers={
                200: json_of(check_objects.LinkCheck, "What came of each link."),
                400: _BAD_QUERY,
                403: sentence("link_check.enabled is false."),
                404: _NO_MESSAGE,
            },
        ),
        f"GET {PREFIX}/messages/{{id}}/release": Operation(
            summary="What became of a message's releases",
            is_of_server=True,
            parameters=(ID,),
            answers={
                200: json_of(release_objects.Jobs, "The relay's jobs, newest first."),
                400: sentence("The relay is off."),
                404: _NO_MESSAGE,
            },
        ),
        f"POST {PREFIX}/messages/{{id}}/release": Operation(
            summary="Give a message to the relay",
            is_of_server=True,
            parameters=(ID,),
            body=Body((release_objects.Release,), required=False),
            answers={
                200: json_of(Job, "The job, queued."),
                400: _NOT_RELEASED,
                404: _NO_MESSAGE,
                413: _TOO_LARGE,
            },
        ),
        f"POST {PREFIX}/import": Operation(
            summary="Keep a message as if it had been received",
            is_of_server=True,
            parameters=(
                Parameter("sender", "The reverse-path; else taken from the header.", Address),
                Parameter(
                    "recipient", "A forward-path; without any, taken from the header.", Addresses
                ),
            ),
            body=Body((bytes,)),
            answers={
                201: json_of(native_objects.Row, "The message's row; it is durable."),
                400: sentence("A parameter is wrong, or the body is empty."),
                413: sentence("The body is larger than limits.message_size."),
            },
        ),
        f"GET {PREFIX}/inbox": Operation(
            summary="The inbox as a file, the oldest message first",
            is_of_server=True,
            parameters=MESSAGES,
            answers={200: _file("An inbox file.", BYTES), 400: _BAD_QUERY},
        ),
        f"POST {PREFIX}/inbox": Operation(
            summary="Keep the messages of an inbox file as they were in another inbox",
            is_of_server=True,
            body=Body((bytes,)),
            answers={
                200: json_of(moving.Moved, "How many were kept; they are durable."),
                400: sentence("The body is damaged, or no inbox file; the text says where."),
                409: sentence("The inbox has a message of the same id with other bytes."),
                413: sentence("A message is larger than limits.message_size."),
            },
        ),
        f"GET {PREFIX}/faults": Operation(
            summary="Every fault in force",
            answers={200: json_of(fault_objects.Rules, "The faults.")},
        ),
        f"POST {PREFIX}/faults": Operation(
            summary="Put a fault into force",
            body=Body((Fault,)),
            answers={
                201: json_of(fault_objects.Rule, "The fault."),
                400: _BAD_FAULT,
                413: _TOO_LARGE,
            },
        ),
        f"DELETE {PREFIX}/faults": Operation(
            summary="Remove all faults",
            answers={200: json_of(fault_objects.Removed, "How many they were.")},
        ),
        f"GET {PREFIX}/faults/log": Operation(
            summary="What has fired, oldest first",
            parameters=(Parameter("after", "A number: only what fired behind it.", Number),),
            answers={200: json_of(fault_objects.Log, "The newest thousand."), 400: _BAD_QUERY},
        ),
        f"GET {PREFIX}/faults/authority": Operation(
            summary="The authority that has signed the wrong certificates, as PEM",
            answers={
                200: _file("The certificate; of this run only.", faults.PEM),
                404: sentence("The server can't make certificates."),
            },
        ),
        f"POST {PREFIX}/faults/reset": Operation(
            summary="Begin all counts and dice anew, and forget what has fired",
            answers={204: Answer("It is done.")},
        ),
        f"GET {PREFIX}/faults/presets": Operation(
            summary="Every preset, with its story and its rules",
            answers={200: json_of(fault_objects.Presets, "The presets.")},
        ),
        f"POST {PREFIX}/faults/presets/{{name}}": Operation(
            summary="Put a preset's rules into force",
            parameters=(Parameter("name", "The preset's name.", str, "path"),),
            body=Body((fault_objects.Use,), required=False),
            answers={
                201: json_of(fault_objects.Used, "The faults that were added, or left out."),
                400: _BAD_FAULT,
                404: sentence("There is no such preset."),
                413: _TOO_LARGE,
            },
        ),
        f"GET {PREFIX}/faults/{{name}}": Operation(
            summary="A fault in force",
            parameters=(FAULT,),
            answers={200: json_of(fault_objects.Rule, "The fault."), 404: _NO_FAULT},
        ),
        f"PUT {PREFIX}/faults/{{name}}": Operation(
            summary="Exchange a fault for another in its place",
            parameters=(FAULT,),
            body=Body((Fault,)),
            answers={
                200: json_of(fault_objects.Rule, "The fault; its counts begin anew."),
                400: _BAD_FAULT,
                404: _NO_FAULT,
                413: _TOO_LARGE,
            },
        ),
        f"DELETE {PREFIX}/faults/{{name}}": Operation(
            summary="Remove a fault",
            parameters=(FAULT,),
            answers={204: Answer("It is gone."), 404: _NO_FAULT},
        ),
        f"GET {PREFIX}/webhooks": Operation(
            summary="Every webhook, and the newest of its deliveries",
            is_of_server=True,
            answers={200: json_of(webhook_objects.Webhooks, "The webhooks.")},
        ),
        f"GET {PREFIX}/search-index": Operation(
            summary="How far the search index is",
            answers={200: json_of(IndexState, "The index as it is now.")},
        ),
        f"GET {PREFIX}/listeners": Operation(
            summary="Every listener as it is now",
            is_of_server=True,
            answers={200: json_of(listener_objects.Listeners, "The listeners.")},
        ),
        f"POST {PREFIX}/listeners/{{number}}/rebind": Operation(
            summary="Try to bind a listener at once",
            is_of_server=True,
            parameters=(Parameter("number", "Its place in the settings.", Number, "path"),),
            answers={
                200: json_of(listener_objects.Listener, "The listener after the attempt."),
                404: sentence("There is no such listener."),
                409: sentence("It has nothing to be bound again."),
            },
        ),
        f"GET {PREFIX}/nodes": Operation(
            summary="Every node that has this inbox, and its listeners",
            is_of_server=True,
            answers={200: json_of(node_objects.Nodes, "The nodes.")},
        ),
        f"GET {PREFIX}/scenarios": Operation(
            summary="Every lab scenario, and how its last run stands",
            answers={200: json_of(scenario_objects.Scenarios, "The scenarios.")},
        ),
        f"GET {PREFIX}/scenarios/stream": Operation(
            summary="What happens in runs of scenarios, as server-sent events",
            parameters=(
                AFTER,
                Parameter("Last-Event-ID", "The cursor that was seen last.", Number, "header"),
            ),
            answers={
                200: Answer("The stream.", ("text/event-stream; charset=utf-8",), str),
                400: _BAD_QUERY,
            },
        ),
        f"GET {PREFIX}/scenarios/{{name}}": Operation(
            summary="A scenario's story and phases, and what its last run found",
            parameters=(SCENARIO,),
            answers={
                200: json_of(scenario_objects.WholeScenario, "The scenario."),
                404: _NO_SCENARIO,
            },
        ),
        f"POST {PREFIX}/scenarios/{{name}}/run": Operation(
            summary="Run a scenario",
            parameters=(SCENARIO, Parameter("only", "The one phase to run.", str)),
            answers={
                202: json_of(scenario_objects.Scenario, "The scenario, which runs."),
                404: sentence("There is no such scenario, or it has no such phase."),
                409: sentence("A scenario runs already, or this one can't be run here."),
            },
        ),
        f"POST {PREFIX}/scenarios/{{name}}/stop": Operation(
            summary="End a run",
            parameters=(SCENARIO,),
            answers={
                200: json_of(scenario_objects.Scenario, "The scenario, when all has ended."),
                404: _NO_SCENARIO,
                409: sentence("It doesn't run."),
            },
        ),
        f"GET {PREFIX}/scenarios/{{name}}/report": Operation(
            summary="The report of a scenario's last run",
            parameters=(SCENARIO,),
            answers={
                200: Answer("A page that needs nothing else.", ("text/html; charset=utf-8",), str),
                404: sentence("There is no such scenario, or no report of it."),
            },
        ),
        f"GET {PREFIX}/paths": Operation(
            summary="Every listener's bind path, walked now",
            is_of_server=True,
            answers={200: json_of(listener_objects.Paths, "The paths, hop by hop.")},
        ),
        f"GET {PREFIX}/events": Operation(
            summary="Events, newest first",
            is_of_server=True,
            parameters=(*EVENTS, LIMIT),
            answers={
                200: json_of(event_objects.Events, "A page of them."),
                400: _BAD_QUERY,
                404: _NO_EVENTS,
            },
        ),
        f"GET {PREFIX}/events/stream": Operation(
            summary="Events as they happen, as server-sent events",
            is_of_server=True,
            parameters=(
                *EVENTS,
                Parameter("Last-Event-ID", "The cursor that was seen last.", Number, "header"),
            ),
            answers={
                200: Answer("The stream.", ("text/event-stream; charset=utf-8",), str),
                400: _BAD_QUERY,
                404: _NO_EVENTS,
            },
        ),
        f"GET {PREFIX}/events/export": Operation(
            summary="Events as a file, oldest first",
            is_of_server=True,
            parameters=(
                *EVENTS,
                Parameter(
                    "format",
                    "The file's form; `json` if none.",
                    Literal["json", "xml", "evt", "evtx"],
                ),
            ),
            answers={
                200: _file("The file.", *_EXPORTS),
                400: _BAD_QUERY,
                404: _NO_EVENTS,
            },
        ),
        f"GET {PREFIX}/events/{{cursor}}": Operation(
            summary="An event, and what its kind means",
            is_of_server=True,
            parameters=(Parameter("cursor", "The event's cursor.", Number, "path"),),
            answers={
                200: json_of(event_objects.Explained, "The event."),
                404: sentence("It is not kept."),
            },
        ),
    }
)
