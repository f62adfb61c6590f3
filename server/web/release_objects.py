"""The JSON objects of releasing: what a request brings, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..message.job import Job


class Release(msgspec.Struct):
    """Body of a release: addresses in place of the message's own recipients."""

    to: list[str] | None = None


class Jobs(msgspec.Struct):
    """What became of the releases of a message, newest first."""

    jobs: Sequence[Job]
