"""The parameters that several routes of bindpost's own API take, and the kinds of their values."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from bindpost.events import SEVERITIES

from ..message import derived, regex
from . import criteria, event_query, native
from .operation import Parameter
from .requests import ID_PATTERN, LARGEST_NUMBER
from .responses import Moment

Number = Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
_Limit = Annotated[int, Meta(ge=0, le=native.PAGE_LIMIT, extra_json_schema={"default": 50})]
Seconds = Annotated[
    float, Meta(ge=0, le=native.WAIT_LIMIT, extra_json_schema={"default": native.WAIT_DEFAULT})
]
Flag = Literal["true", "false", "1", "0"]
_Field = Annotated[str, Meta(pattern=r"^[!-9;-~]+:")]
_Fields = Annotated[list[_Field], Meta(max_length=criteria.CONDITION_LIMIT)]
_Regex = Annotated[str, Meta(max_length=regex.PATTERN_LIMIT)]
_MessageId = Annotated[str, Meta(pattern=f"^(?:latest|{ID_PATTERN})$")]
_Listed = Annotated[str, Meta(pattern=r"[^\s,]")]
_Ids = Annotated[list[Number], Meta(max_length=event_query.LISTED_LIMIT)]
_Sources = Annotated[list[_Listed], Meta(max_length=event_query.LISTED_LIMIT)]
Address = Annotated[str, Meta(max_length=derived.ADDRESS_LIMIT)]
Addresses = list[Address]
_Level: Any = Literal[SEVERITIES]

ID: Final = Parameter("id", "A message's id, or `latest`.", _MessageId, "path")
RAW: Final = Parameter("raw", "Whether the bytes as received are given too.", Flag)
AFTER: Final = Parameter("after", "A cursor: only what lies behind it.", Number)
_BEFORE: Final = Parameter("before", "A cursor: only what lies in front of it.", Number)
SCENARIO: Final = Parameter("name", "The scenario's name.", str, "path")
LIMIT: Final = Parameter("limit", "How many are given; 0 for 1000.", _Limit)
MESSAGES: Final = (
    Parameter("recipient", "A whole address that is a recipient in the envelope.", str),
    Parameter("sender", "The whole address of the envelope's sender.", str),
    Parameter("subject", "A part of the subject.", str),
    AFTER,
    _BEFORE,
)
CRITERIA: Final = (
    *MESSAGES,
    Parameter("subject_regex", "A pattern (RE2) that is in the subject.", _Regex),
    Parameter("header", "`NAME: VALUE` of a field of the header, decoded.", _Fields),
    Parameter("header_regex", "`NAME: PATTERN` likewise.", _Fields),
    Parameter("has_link", "Whether the message must have a link.", Flag),
)
EVENTS: Final = (
    Parameter("id", "An event's number; commas may stand between several.", _Ids),
    Parameter("source", "`MSExchangeIMC` or `bindpost`; likewise.", _Sources),
    Parameter("node", "The name of the node where it happened; likewise.", _Sources),
    Parameter("level", "The least grave that is given.", _Level),
    Parameter("since", "The earliest time, inclusive.", Moment),
    Parameter("until", "The latest time, inclusive.", Moment),
    Parameter("text", "A part of the sentence, in any case.", str),
    AFTER,
    _BEFORE,
)
FAULT: Final = Parameter("name", "The fault's name.", str, "path")
