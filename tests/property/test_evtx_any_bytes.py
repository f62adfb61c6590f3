"""Any bytes in an .evtx file: its events or an error, never anything else."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bindpost.errors import EventFileFormatError
from bindpost.server.eventlog.evtx import EvtxReader, write
from bindpost.server.eventlog.evtx.layout import CHUNK_HEADER_SIZE, FILE_HEADER_SIZE
from bindpost.server.eventlog.saved import SavedEvent
from bindpost.testing.saved import ONE_OF_EACH

BEGIN = FILE_HEADER_SIZE + CHUNK_HEADER_SIZE
CHANGES = st.lists(
    st.tuples(
        st.integers(BEGIN, BEGIN + 6000) | st.integers(0, BEGIN + 6000),
        st.sampled_from([0x00, 0x01, 0x0C, 0x0F, 0x41, 0x7F, 0x80, 0xFF]) | st.integers(0, 255),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def content() -> bytes:
    """Give a sound file."""
    file = BytesIO()
    write([replace(event, sid="") for event in ONE_OF_EACH], file)
    return file.getvalue()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(changes=CHANGES)
def test_a_damaged_file_gives_events_or_an_error(
    content: bytes, tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    """Wherever bytes are changed, reading ends, with facts or with the error of a damaged file."""
    changed = bytearray(content)
    for at, value in changes:
        changed[at] = value
    path = tmp_path / "x.evtx"
    path.write_bytes(changed)

    events: list[SavedEvent] = []
    with contextlib.suppress(EventFileFormatError), EvtxReader(path) as reader:
        events.extend(reader)

    assert all(isinstance(event.id, int) and event.time.tzinfo for event in events)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(tail=st.binary(max_size=2000), keep=st.integers(0, FILE_HEADER_SIZE + 3000))
def test_a_file_cut_anywhere_is_no_traceback(
    content: bytes, tmp_path: Path, tail: bytes, keep: int
) -> None:
    """A file that ends anywhere, or goes on as another one, is read or refused."""
    path = tmp_path / "x.evtx"
    path.write_bytes(content[:keep] + tail)

    with pytest.raises(EventFileFormatError), EvtxReader(path) as reader:
        list(reader)
