"""Does a string of the record speak to the machine instead of describing the patient? (facts row 33: listed, never obeyed.)"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import lru_cache
from importlib.resources import files

_LISTED = tomllib.loads(files(__package__).joinpath("suspicion.toml").read_text(encoding="utf-8"))["patterns"]
_PATTERN = re.compile("|".join(f"(?:{pattern})" for pattern in _LISTED), re.IGNORECASE | re.DOTALL)
_HIDDEN_RANGES = (
    (0x200B, 0x2010), (0x202A, 0x202F), (0x2060, 0x2070), (0xE0000, 0xE0080), (0xFE00, 0xFE10), (0xE0100, 0xE01F0),
)  # fmt: skip
_HIDDEN = frozenset({0xFEFF, 0x00AD, 0x061C, 0x180E, 0x034F}.union(*(range(*each) for each in _HIDDEN_RANGES)))
_STRIP = dict.fromkeys(_HIDDEN)


def revealed(text: str) -> str:
    """The text without hidden characters, compatibility forms folded, white space as single blanks."""
    if text.isascii() and text.isprintable():
        return text
    folded = unicodedata.normalize("NFKC", text).translate(_STRIP)
    return " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in folded).split())


def hides(text: str) -> bool:
    """True when the text carries zero-width, bidi, tag or variation characters: names of clinical things do not."""
    return not text.isascii() and any(ord(c) in _HIDDEN for c in text)


@lru_cache(maxsize=8192)
def suspicious(text: str) -> bool:
    """True for text that instructs, impersonates, links out or hides characters."""
    return hides(text) or _PATTERN.search(_bare(revealed(text))) is not None


def _bare(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
