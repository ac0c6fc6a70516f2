"""Text of a record is data: control, zero-width and direction characters go, length is bounded, nothing is an instruction."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

LABEL = 160  # characters of a name
NOTE = 300  # characters of a remark
CACHED = 500  # characters beyond which nothing is kept in a cache


class Oversize(ValueError):
    """Raised inside a cached function for input too long to be kept; an exception is never cached."""


@lru_cache(maxsize=4096)
def _label(text: str) -> str:
    return clean(text, LABEL)


def label(text: str) -> str:
    """A printed name."""
    return _label(text) if len(text) <= CACHED else clean(text, LABEL)


def word(text: str | None) -> str:
    """A status, class or other code as one bounded word in lower case."""
    return label(text).casefold()[:40] if text else ""


def clean(text: str, limit: int) -> str:
    """One line of printable text, at most ``limit`` characters, cut with an ellipsis.

    Unicode categories Cc, Cf (zero-width, bidirectional, tag characters), Co, Cs and Cn go; all space becomes blanks.
    """
    text = text[: limit * 4]
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        text = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in _UNSEEN)
    elif not text.isprintable():
        text = "".join(c for c in text if c.isspace() or c.isprintable())
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def lines(text: str, limit: int) -> str:
    """Like ``clean``, keeping line breaks: the body of a note."""
    kept = [clean(line, limit) for line in text[: limit * 2].splitlines()]
    return "\n".join(line for line in kept if line)[:limit]


_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
