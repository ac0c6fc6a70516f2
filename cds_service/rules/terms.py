"""Finds known phrases in the free text of a record: whole words, longest phrase first, no word used twice.

Everything is indexed once at start; a look-up splits the text into words and asks a dictionary for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_WORDS = re.compile(r"[a-z0-9]+")
LONGEST_TEXT = 400  # characters; record texts are bounded before, this is the belt to those braces


def words(text: str) -> tuple[str, ...]:
    """The lower-case words of a text; every sign between them is a boundary (``w/o`` is two words)."""
    return tuple(_WORDS.findall(text[:LONGEST_TEXT].lower()))


class Phrases:
    """An index phrase → targets. ``Phrases({"penicillin v": ["penicillin v"], "pcn": ["penicillin"]})``."""

    def __init__(self, phrases: Mapping[str, Iterable[str]]) -> None:
        index: dict[str, dict[tuple[str, ...], frozenset[str]]] = {}
        for phrase, targets in phrases.items():
            key = words(phrase)
            if not key:
                raise ValueError(f"phrase {phrase!r} has no word")
            known = index.setdefault(key[0], {})
            known[key] = known.get(key, frozenset()) | frozenset(targets)
        self._index = {
            first: sorted(entries.items(), key=lambda entry: -len(entry[0])) for first, entries in index.items()
        }

    def find(self, text: str) -> frozenset[str]:
        """All targets named in the text."""
        return self.find_words(words(text))

    def find_words(self, tokens: tuple[str, ...]) -> frozenset[str]:
        """As ``find``, for a text already split."""
        found: set[str] = set()
        position = 0
        while position < len(tokens):
            step = 1
            for phrase, targets in self._index.get(tokens[position], ()):
                if tokens[position : position + len(phrase)] == phrase:
                    found |= targets
                    step = len(phrase)
                    break
            position += step
        return frozenset(found)
