"""Any input of any protocol: made by Hypothesis from its grammar, and each file of its corpus."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from .arena import Arena
from .target import PROTOCOLS, corpus, target_of

EXAMPLES = {"smtp": 150, "lmtp": 150, "http": 150, "ini": 300, "socks": 60, "wsp": 60}
LONGEST = 5000


@pytest.mark.parametrize("name", PROTOCOLS)
def test_any_input_is_played_to_its_end(name: str) -> None:
    """Nothing fails, hangs or is left, and the honest are served; see `Arena` and the target."""
    target = target_of(name)

    @settings(max_examples=EXAMPLES[name], suppress_health_check=[HealthCheck.too_slow])
    @given(target.grammar.inputs())
    def play(data: bytes) -> None:
        arena.play(data[:LONGEST])

    with Arena(target) as arena:
        play()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_corpus_is_played_in_every_way(name: str) -> None:
    """So is each file, by every personality and in whatever pieces."""
    target = target_of(name)
    with Arena(target) as arena:
        for path, data in zip(corpus(name), target.grammar.seeds, strict=True):
            try:
                arena.play_every_way(data)
            except BaseException as error:
                error.add_note(str(path))
                raise


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_corpus_is_there(name: str) -> None:
    """Each protocol has files; those that are text say in their first line why they are there."""
    files = corpus(name)

    assert files
    assert name != "wsp" or all(path.read_text("utf-8").startswith("# ") for path in files)
