"""Whose words are these? Every content word must stand in a cited fact with the same polarity; claim words go on to their checks.

Facts are bits: the n-th cited fact is ``1 << n``; a mask says which cited facts carry a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cds_service.grounding.checks.anchors import bits
from cds_service.grounding.evidence.evidence import Evidence
from cds_service.grounding.language.lexicon import KIND_WORDS, NAME_LISTS, Kind, stem
from cds_service.grounding.language.tokens import Numeral, Token
from cds_service.grounding.statement import Reason
from cds_service.record.facts import Medication, Problem

_REASONS = {
    "directive": Reason.DIRECTIVE, "directive_noun": Reason.DIRECTIVE, "priority": Reason.DIRECTIVE, "authority": Reason.AUTHORITY,
    "link": Reason.LINK, "control": Reason.CONTROL,
    "foreign": Reason.UNCLEAN, "all_clear": Reason.ALL_CLEAR, "inference": Reason.INFERENCE,
}  # fmt: skip
SIDES = frozenset({"left", "right", "bilateral"})
_INERT = frozenset(
    {
        Kind.LIGHT, Kind.NUMBER, Kind.UNIT, Kind.SPAN, Kind.MONTH, Kind.SOFT, Kind.HARD, Kind.COLON,
        Kind.NOT_BEFORE, Kind.NOT_AFTER, Kind.AT_LEAST, Kind.AT_MOST, Kind.ABOUT,
    }
)  # fmt: skip
_BRIDGES = frozenset(["of", "the", "a", "an", "in", "by", "to", "with", "for", "at", "on", "-", "/", "and"])

_VERBS = KIND_WORDS["Encounter"] | KIND_WORDS["Medication"] | NAME_LISTS["unclassed"]

Fault = tuple[Reason, str]


class Words(NamedTuple):
    """``masks`` per token (0: carries no fact); ``marks``: positions of claim words that no fact's own name absorbs."""

    masks: list[int]
    marks: list[int]


class Mention(NamedTuple):
    """A run of words that name one or more facts."""

    first: int
    last: int
    mask: int


def carriers(word: str, is_denied: bool, cited: Sequence[Evidence]) -> int:
    """Mask of the cited facts that carry a stem with this polarity."""
    mask, bit = 0, 1
    for evidence in cited:
        if word in (evidence.denied if is_denied else evidence.affirmed):
            mask |= bit
        bit <<= 1
    return mask


def resolve(read: Sequence[Token], reached: frozenset[int], cited: Sequence[Evidence]) -> Words | Fault:
    """Masks for content words; the first word no cited fact carries, or carries with the other polarity, is a fault."""
    masks = [0] * len(read)
    marks: list[int] = []
    for position, (kind, payload, word) in enumerate(read):
        if kind == Kind.CONTENT:
            negative = position in reached
            mask = carriers(payload, negative, cited)  # type: ignore[arg-type]
            if not mask:
                return _missing(str(payload), word, cited, negative)
            masks[position] = mask
        elif kind not in _INERT:
            if kind == Kind.FORBIDDEN:
                return _REASONS[str(payload)], word
            if kind == Kind.MARKUP:
                return Reason.LINK, word
            marks.append(position)
    return _absorb(read, reached, cited, masks, marks) if marks else Words(masks, marks)


def _missing(payload: str, word: str, cited: Sequence[Evidence], negative: bool) -> Fault:
    if carriers(payload, not negative, cited):
        return Reason.POLARITY, word
    return (Reason.SIDE if payload in SIDES else Reason.NAME), word


def _absorb(
    read: Sequence[Token], reached: frozenset[int], cited: Sequence[Evidence], masks: list[int], marks: list[int]
) -> Words | Fault:
    """A claim word that stands inside a fact's own name ("low back pain", "history of stroke") is part of that name."""
    left: list[int] = []
    for position in marks:
        kind, payload, word = read[position]
        inside = carriers(stem(word), position in reached, cited)
        if inside and payload not in ("directive_noun", "priority"):
            inside = _inside(read, position, cited)
        if inside and not _still_barred(read, position, reached, [cited[i] for i in bits(inside)]):
            masks[position] = inside
            if kind == Kind.TENSE:
                left.append(position)
        elif word in ("diagnosed", "diagnosis") and _listed_only(cited):
            continue  # a recorded problem, and when; the date is checked as its start
        elif kind == Kind.UNLESS_NAMED:
            return _REASONS[str(payload)], word
        else:
            left.append(position)
    return Words(masks, left)


def _listed_only(cited: Sequence[Evidence]) -> bool:
    facts = [evidence.fact for evidence in cited]
    return all(isinstance(f, Problem | Medication) for f in facts) and any(isinstance(f, Problem) for f in facts)


def _inside(read: Sequence[Token], position: int, cited: Sequence[Evidence]) -> int:
    """Mask of the facts in whose own text this word has the same word beside it."""
    word = read[position].word
    beside = set()
    if position:
        beside.add((read[position - 1].word, word))
    if position + 1 < len(read):
        beside.add((word, read[position + 1].word))
    mask = 0
    alone = frozenset({stem(word)}) if read[position].kind == Kind.TREND else None  # a problem called "Fall"
    for place, evidence in enumerate(cited):
        own = evidence.sources[:1]
        if any(not beside.isdisjoint(e.pairs) for e in evidence.sources) or any(e.affirmed == alone for e in own):
            mask |= 1 << place
    return mask


def _still_barred(read: Sequence[Token], position: int, reached: frozenset[int], named_by: Sequence[Evidence]) -> bool:
    """Words that being named does not excuse: "Hold warfarin", "I confirm", "not urgent"."""
    payload = read[position].payload
    if payload == "directive":
        return _imperative(read, position)
    if payload == "authority":  # troponin I, type I; not "I confirm"
        pair = (read[position - 1].word, read[position].word) if position else ("", "")
        own = any(pair in each.pairs for evidence in named_by for each in evidence.sources)
        return not own or read[position - 1].kind != Kind.CONTENT
    if (
        payload == "priority" and position in reached
    ):  # an encounter may have been non-urgent; an order is what rules say
        return any(not evidence.fact.reference.startswith("Encounter/") for evidence in named_by)
    return False


def _imperative(read: Sequence[Token], position: int) -> bool:
    """True for a verb at the head of a clause with its object after it: "Hold warfarin"."""
    starts = position == 0 or read[position - 1].kind in (Kind.HARD, Kind.SOFT, Kind.COLON)
    follows = position + 1 < len(read) and read[position + 1].kind == Kind.CONTENT
    return starts and follows


def mentions(read: Sequence[Token], masks: Sequence[int]) -> list[Mention] | Fault:
    """Runs of words that share a fact. A word glued to neighbours of other facts only is a recombined name: a fault."""
    found: list[Mention] = []
    first = last = -1
    mask = 0
    for position, own in enumerate(masks):
        if own:
            if _glued_wrongly(masks, read, position):
                return (Reason.SIDE if read[position].payload in SIDES else Reason.PAIRING), read[position].word
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
    before = masks[position - 1] if position and not _verb(read[position - 1]) else 0
    after = masks[position + 1] if position + 1 < len(masks) and not _verb(read[position + 1]) else 0
    glued = before | after
    if _verb(read[position]):
        return False
    return bool(glued) and not glued & masks[position] and not isinstance(read[position].payload, Numeral)


def _verb(token: Token) -> bool:
    """ "Gestation admitted", "disease presenting": the verb starts something else."""
    return stem(token.word) in _VERBS


def only_side(read: Sequence[Token], mention: Mention) -> bool:
    """True when a mention is nothing but a side ("…, left"): it belongs to the name beside it."""
    return all(read[i].payload in SIDES for i in range(mention.first, mention.last + 1))
