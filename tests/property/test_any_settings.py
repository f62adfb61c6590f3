"""Settings of any kind are loaded or refused with a ConfigError; nothing else ever comes out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindpost.config.environment import variables
from bindpost.config.load import load
from bindpost.errors import ConfigError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
VARIABLES = st.sampled_from(list(variables())) | st.text(
    alphabet=st.characters(exclude_characters="=\0", exclude_categories=["Cs"])
).map("BINDPOST_".__add__)
TOML_KEYS = ("listener", "path", "ims", "web", "limits", "log", "path.x", "ims.RelayFlags")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the name of a file that may be written."""
    return tmp_path_factory.mktemp("settings") / "any.toml"


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(VARIABLES, st.text(), max_size=3))
def test_any_environment_is_read_or_refused(environ: dict[str, str]) -> None:
    """Whatever the variables, there are settings or one ConfigError."""
    with suppress(ConfigError):
        assert load(environ=environ)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(TOML_KEYS), VALUES, max_size=3))
def test_any_values_are_read_or_refused(file: Path, tree: dict[str, object]) -> None:
    """Whatever stands behind the keys of a file, there are settings or one ConfigError."""
    text = "\n".join(f"{key} = {_toml(value)}" for key, value in tree.items())
    file.write_text(text, encoding="utf-8", errors="replace")
    with suppress(ConfigError):
        assert load(file=file, environ={})


@settings(max_examples=200, deadline=None)
@given(st.binary())
def test_any_bytes_are_read_or_refused(file: Path, data: bytes) -> None:
    """Whatever the bytes of a file, there are settings or one ConfigError."""
    file.write_bytes(data)
    with suppress(ConfigError):
        assert load(file=file, environ={})


def _toml(value: object) -> str:
    match value:
        case dict():
            pairs = (f"{_toml(str(key))} = {_toml(part)}" for key, part in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case bool() | str():
            return msgspec.json.encode(value).decode()
        case None:
            return "1979-05-27"
        case _:
            return str(value)
