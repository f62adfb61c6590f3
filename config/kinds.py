"""Kinds of values that settings have, and what every table of a file is."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

NodeName = Annotated[str, Meta(pattern=r"^[^\s,]*$(?!\n)", max_length=64, extra={"kind": "node"})]
"""The name of a node: one word without a comma, so that several can be listed."""
PersonalityName = Annotated[str, Meta(extra={"kind": "personality"})]
"""A personality's name, or its file; loading makes that absolute."""
TlsMode = Literal["auto", "off", "starttls", "implicit"]
Asking = Literal["off", "optional", "required"]
"""Whether a server asks its clients for certificates."""

FileName = Annotated[str, Meta(extra={"kind": "file"})]
"""A file or folder; loading makes it absolute (docs/settings.md says relative to what)."""
FileNames = Annotated[tuple[str, ...], Meta(extra={"kind": "file"})]
"""Several of them."""
EndpointText = Annotated[str, Meta(extra={"kind": "endpoint"})]
"""An endpoint as users write it; loading checks it."""
ListeningText = Annotated[str, Meta(extra={"kind": "endpoint", "services": True})]
"""The same, or with the name of a service in the port's place, looked up when it is bound."""
ListenerNames = Annotated[
    tuple[str, ...],
    Meta(extra={"kind": "endpoint", "services": True, "words": ("http", "import")}),
]
"""Endpoints of listeners, or where else messages come from."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a file, of the settings or another; an unknown key in it is an error."""
