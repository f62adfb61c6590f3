"""What inputs are made of: a protocol's words in any order, and files of its corpus, damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from hypothesis import strategies as st

LONGEST_NOISE = 40
NOTHING = (b"",)


def by_lines(data: bytes) -> list[bytes]:
    """Take an input apart into lines, each with its end."""
    return data.splitlines(keepends=True)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut bytes into pieces at these places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@dataclass(frozen=True)
class Grammar:
    """
    The words of a protocol, from which Hypothesis and the long run both make inputs.

    A word is a whole line or message, and has one of the `ends` behind it. `apart` takes an input
    apart into words again, `seeds` are inputs to begin with.
    """

    words: Sequence[bytes]
    ends: Sequence[bytes] = NOTHING
    seeds: Sequence[bytes] = NOTHING
    apart: Callable[[bytes], list[bytes]] = field(default=by_lines)

    def sequences(self, longest: int = 25) -> st.SearchStrategy[bytes]:
        """Give the strategy for so many words at most, with noise among them."""
        noise = st.binary(max_size=LONGEST_NOISE)
        noise |= st.binary(max_size=3).map(lambda piece: piece * 900)
        words = st.tuples(st.sampled_from(self.words), st.sampled_from(self.ends)).map(b"".join)
        return st.lists(words | noise, max_size=longest).map(b"".join)

    def inputs(self) -> st.SearchStrategy[bytes]:
        """Give the strategy for inputs: words and noise, or a seed that was mutated."""
        mutated = st.builds(
            lambda seed, number: self.mutate(seed, Random(number)),
            st.sampled_from(self.seeds),
            st.integers(0, 2**32 - 1),
        )
        return self.sequences() | mutated

    def mutate(self, data: bytes, chance: Random) -> bytes:
        """Give an input that differs in one to four places."""
        words = self.apart(data)
        for _ in range(chance.randint(1, 4)):
            start = chance.randint(0, len(words))
            end = min(len(words), start + chance.choice((0, 0, 1, 1, 2, 5)))
            words[start:end] = self._in_place_of(words[start:end], chance)
        return b"".join(words)

    def _in_place_of(self, words: list[bytes], chance: Random) -> list[bytes]:
        """Give what comes in the place of some words, perhaps of none."""
        match chance.randrange(6):
            case 0:
                return []
            case 1:
                return words * chance.randint(2, 4)
            case 2:
                seed = self.apart(chance.choice(self.seeds))
                start = chance.randint(0, len(seed))
                return seed[start : start + chance.randint(1, 8)]
            case 3:
                return [_damaged(b"".join(words), chance)]
            case _:
                return [chance.choice(self.words) + chance.choice(self.ends)]


def _damaged(data: bytes, chance: Random) -> bytes:
    """Replace some bytes by others, fewer, as many or more."""
    start = chance.randint(0, len(data))
    noise = chance.randbytes(chance.randint(0, 8)) * chance.choice((1, 1, 1, 1, 300))
    return data[:start] + noise + data[start + chance.randint(0, 8) :]
