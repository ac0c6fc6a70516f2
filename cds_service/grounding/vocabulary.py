"""Whose words are these? Every content word must stand in a cited fact with the same polarity; claim words go on to their checks.

Facts are bits: the n-th cited fact is ``1 << n``; a mask says which cited facts carry a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cds_service.grounding.evidence import Evidence
from cds_service.grounding.lexicon import Kind, stem
from cds_service.grounding.statement import Reason
from cds_service.grounding.tokens import Numeral, Token

_REASONS = {
    "directive": Reason.DIRECTIVE, "directive_noun": Reason.DIRECTIVE, "authority": Reason.AUTHORITY, "link": Reason.LINK, "control": Reason.CONTROL,
    "all_clear": Reason.ALL_CLEAR, "inference": Reason.INFERENCE,
}  # fmt: skip
_SIDES = frozenset({"left", "right", "bilateral"})
_INERT = frozenset(
    {
        Kind.LIGHT, Kind.NUMBER, Kind.UNIT, Kind.SPAN, Kind.MONTH, Kind.SOFT, Kind.HARD, Kind.COLON,
        Kind.NOT_BEFORE, Kind.NOT_AFTER, Kind.AT_LEAST, Kind.AT_MOST, Kind.ABOUT,
    }
)  # fmt: skip
_BRIDGES = frozenset("of the a an in by to with for at on - / and".split())

Fault = tuple[Reason, str]


class Index(NamedTuple):
    """Stem → mask of the cited facts that affirm or deny it."""

    affirmed: dict[str, int]
    denied: dict[str, int]
    cited: Sequence[Evidence]

    def mask(self, word: str, is_denied: bool) -> int:
        """Which cited facts carry this stem with this polarity."""
        return (self.denied if is_denied else self.affirmed).get(word, 0)


class Words(NamedTuple):
    """``masks`` per token (0: carries no fact); ``marks``: positions of claim words that no fact's own name absorbs."""

    masks: list[int]
    marks: list[int]


class Mention(NamedTuple):
    """A run of words that name one or more facts."""

    first: int
    last: int
    mask: int


def index(cited: Sequence[Evidence]) -> Index:
    """Inverted index over the words of the cited facts."""
    affirmed: dict[str, int] = {}
    denied: dict[str, int] = {}
    bit = 1
    for evidence in cited:
        for words in evidence.affirmed:
            for word in words:
                affirmed[word] = affirmed.get(word, 0) | bit
        for words in evidence.denied:
            for word in words:
                denied[word] = denied.get(word, 0) | bit
        bit <<= 1
    return Index(affirmed, denied, cited)


def resolve(read: Sequence[Token], reached: frozenset[int], lookup: Index) -> Words | Fault:
    """Masks for content words; the first word no cited fact carries, or carries with the other polarity, is a fault."""
    masks = [0] * len(read)
    marks: list[int] = []
    for position, (kind, payload, word) in enumerate(read):
        if kind is Kind.CONTENT:
            negative = position in reached
            mask = lookup.mask(payload, negative)  # type: ignore[arg-type]
            if not mask:
                return _missing(str(payload), word, lookup, negative)
            masks[position] = mask
        elif kind not in _INERT:
            if kind is Kind.FORBIDDEN:
                return _REASONS[str(payload)], word
            if kind is Kind.MARKUP:
                return Reason.LINK, word
            marks.append(position)
    return _absorb(read, reached, lookup, masks, marks) if marks else Words(masks, marks)


def _missing(payload: str, word: str, lookup: Index, negative: bool) -> Fault:
    if lookup.mask(payload, not negative):
        return Reason.POLARITY, word
    return (Reason.SIDE if payload in _SIDES else Reason.NAME), word


def _absorb(
    read: Sequence[Token], reached: frozenset[int], lookup: Index, masks: list[int], marks: list[int]
) -> Words | Fault:
    """A claim word that stands inside a fact's own name ("low back pain", "history of stroke") is part of that name."""
    left: list[int] = []
    for position in marks:
        kind, payload, word = read[position]
        inside = lookup.mask(stem(word), position in reached)
        if inside and payload != "directive_noun":
            inside = _inside(read, position, lookup.cited)
        if inside and not (payload == "directive" and _imperative(read, position)):
            masks[position] = inside
            if kind is Kind.TENSE:
                left.append(position)
        elif kind is Kind.UNLESS_NAMED:
            return _REASONS[str(payload)], word
        else:
            left.append(position)
    return Words(masks, left)


def _inside(read: Sequence[Token], position: int, cited: Sequence[Evidence]) -> int:
    """Mask of the facts in whose own text this word has the same word beside it."""
    word = read[position].word
    beside = set()
    if position:
        beside.add((read[position - 1].word, word))
    if position + 1 < len(read):
        beside.add((word, read[position + 1].word))
    mask = 0
    for place, evidence in enumerate(cited):
        if any(not beside.isdisjoint(each.pairs) for each in evidence.sources):
            mask |= 1 << place
    return mask


def _imperative(read: Sequence[Token], position: int) -> bool:
    """True for a verb at the head of a clause with its object after it: "Hold warfarin"."""
    starts = position == 0 or read[position - 1].kind in (Kind.HARD, Kind.SOFT, Kind.COLON)
    follows = position + 1 < len(read) and read[position + 1].kind is Kind.CONTENT
    return starts and follows


def mentions(read: Sequence[Token], masks: Sequence[int]) -> list[Mention] | Fault:
    """Runs of words that share a fact. A word glued to neighbours of other facts only is a recombined name: a fault."""
    found: list[Mention] = []
    first = last = -1
    mask = 0
    for position, own in enumerate(masks):
        if own:
            if _glued_wrongly(masks, read, position):
                return (Reason.SIDE if read[position].payload in _SIDES else Reason.PAIRING), read[position].word
            if mask & own:
                mask, last = mask & own, position
            else:
                if mask:
                    found.append(Mention(first, last, mask))
                first, last, mask = position, position, own
        elif mask and read[position].word not in _BRIDGES:
            found.append(Mention(first, last, mask))
            mask = 0
    if mask:
        found.append(Mention(first, last, mask))
    return found


def _glued_wrongly(masks: Sequence[int], read: Sequence[Token], position: int) -> bool:
    before = masks[position - 1] if position else 0
    after = masks[position + 1] if position + 1 < len(masks) else 0
    glued = before | after
    return bool(glued) and not glued & masks[position] and not isinstance(read[position].payload, Numeral)


def only_side(read: Sequence[Token], mention: Mention) -> bool:
    """True when a mention is nothing but a side ("…, left"): it belongs to the name beside it."""
    return all(read[i].payload in _SIDES for i in range(mention.first, mention.last + 1))
