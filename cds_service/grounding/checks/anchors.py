"""The things in a sentence that stand for facts, in order: a name, a value, a date. Pairing and the claim checks bind to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cds_service.grounding.language.lexicon import Kind
from cds_service.grounding.language.tokens import Token

_SMALL = (Kind.LIGHT, Kind.STATE, Kind.PLACE)
_STATING = (*_SMALL, Kind.COLON, Kind.SOFT)
_OPENERS = (Kind.LIGHT, Kind.SOFT, Kind.HARD, Kind.COLON)
_CLOSE = 4  # tokens between a claim word and the value it introduces


class Anchor(NamedTuple):
    """``what``: 'name', 'value' or 'date'; ``mask``: the cited facts it can stand for."""

    first: int
    last: int
    what: str
    mask: int


def bits(mask: int) -> Iterator[int]:
    """Positions of the set bits: indices into the cited facts."""
    position = 0
    while mask:
        if mask & 1:
            yield position
        mask >>= 1
        position += 1


def clause(read: Sequence[Token], position: int) -> tuple[int, int]:
    """First and one-past-last token of the clause around a position."""
    first = last = position
    while first > 0 and read[first - 1].kind != Kind.HARD:
        first -= 1
    while last < len(read) and read[last].kind != Kind.HARD:
        last += 1
    return first, last


def bound(read: Sequence[Token], anchors: Sequence[Anchor], position: int, everything: int) -> int:
    """What a claim word is about: the value just before it (or, after a comma, the one just after it), else what was named
    last in its clause, else what comes next, else all cited facts.
    """
    first, last = clause(read, position)
    inside = [a for a in anchors if a.what != "date" and first <= a.first < last]
    ahead = [a for a in inside if a.first > position]
    behind = [a for a in inside if a.last < position]
    given = ahead[0] if ahead and ahead[0].what == "value" and ahead[0].first - position <= _CLOSE else None
    attributed = _attributed(read, position, ahead)
    if attributed is not None and (not behind or read[position - 1].kind in _OPENERS):
        return attributed
    if behind and behind[-1].what == "value":
        new_part = _paused(read, behind[-1].last, position)
        return given.mask if given and new_part and _leads_to(read, position, given.first) else behind[-1].mask
    if given and not any(read[i].word in (",", ")") for i in range(position + 1, given.first)):
        return given.mask
    if behind:
        return behind[-1].mask
    return ahead[0].mask if ahead else everything


def _attributed(read: Sequence[Token], position: int, ahead: Sequence[Anchor]) -> int | None:
    """ "falling platelets", "lowest recorded haemoglobin: 7.1": the name right after the word, and the value right after that."""
    if not ahead or ahead[0].what != "name" or not _leads_to(read, position, ahead[0].first):
        return None
    value = ahead[1] if len(ahead) > 1 and ahead[1].what == "value" else None
    if value is not None and value.mask & ahead[0].mask and _stated(read, ahead[0].last, value.first):
        return value.mask & ahead[0].mask
    return ahead[0].mask


def _stated(read: Sequence[Token], last: int, first: int) -> bool:
    """A value said of a name: "was 7.1", ": 7.1", "(7.1"; "fell from 8.3" says a direction first."""
    between = read[last + 1 : first]
    return all(t.kind in _STATING and t.word not in ("from", "to", "and", "or") for t in between)


def _leads_to(read: Sequence[Token], start: int, end: int) -> bool:
    """Only small words stand between, and none that starts something else: "high at 6.1", not "high, rising from 4.9"."""
    return all(read[i].kind in _SMALL and read[i].word not in ("from", "and", "or") for i in range(start + 1, end))


def _paused(read: Sequence[Token], start: int, end: int) -> bool:
    return any(read[i].kind == Kind.SOFT for i in range(start + 1, end))
