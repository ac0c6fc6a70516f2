"""One statement against its cited facts: shape, words, numbers, dates, pairing, tense, series, person. First fault wins."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.grounding import polarity
from cds_service.grounding.anchors import Anchor, bits, bound
from cds_service.grounding.dates import anchor_dates
from cds_service.grounding.desk import Desk
from cds_service.grounding.evidence import Evidence
from cds_service.grounding.lexicon import Kind, stem
from cds_service.grounding.numbers import anchor_numbers
from cds_service.grounding.pairing import pairing
from cds_service.grounding.series import claims
from cds_service.grounding.spans import recent
from cds_service.grounding.statement import Reason, Statement
from cds_service.grounding.tense import tense
from cds_service.grounding.tokens import Token, tokens
from cds_service.grounding.vocabulary import Fault, Index, Mention, index, mentions, only_side, resolve
from cds_service.record.facts import Allergy

MAX_TEXT = 400  # characters of a statement
MAX_NAME = 80  # characters of a hypothesis
MAX_FACTS = 12
_KINDS = ("record", "hypothesis")
_ALLERGY = frozenset({"allergy", "allergic", "allergen", "nkda", "nka", "intolerance", "hypersensitivity"})
_LICENSED = (Kind.CONTENT, Kind.STATE, Kind.TREND, Kind.TENSE, Kind.PLACE, Kind.UNLESS_NAMED)


def fault(statement: Statement, desk: Desk) -> Fault | None:
    """Why a statement may not be shown, and the word where the check stopped; None when every check passes."""
    if not _shaped(statement):
        return Reason.SHAPE, ""
    cited = desk.cited(statement.fact_ids)
    if cited is None or desk.cited(statement.contrary_ids) is None:
        return Reason.UNKNOWN_FACT, ""
    if statement.kind == "hypothesis":
        wrong = _name_fault(statement.name)
        if wrong:
            return wrong
    read = tokens(statement.text)
    if read is None:
        return Reason.UNCLEAN, ""
    return _text_fault(read, cited, desk)


def _shaped(statement: Statement) -> bool:
    return (
        statement.kind in _KINDS
        and 0 < len(statement.text.strip()) <= MAX_TEXT
        and 0 < len(statement.fact_ids) <= MAX_FACTS
        and len(statement.contrary_ids) <= MAX_FACTS
        and (statement.kind == "hypothesis") is bool(statement.name)
        and (statement.kind == "hypothesis" or not statement.contrary_ids)
    )


def _text_fault(read: list[Token], cited: Sequence[Evidence], desk: Desk) -> Fault | None:
    reached = polarity.denied(read)
    lookup = index(cited)
    words = resolve(read, reached, lookup)
    if isinstance(words[0], Reason):
        return words  # type: ignore[return-value]
    masks, marks = words
    dates = anchor_dates(read, cited)
    if isinstance(dates, tuple):
        return dates
    dated = {i for anchor in dates for i in range(anchor.first, anchor.last + 1)}
    values = anchor_numbers(read, masks, dated, cited, desk)
    if isinstance(values, tuple):
        return values
    if not any(masks) and not values:
        return Reason.SHAPE, ""  # says nothing of any fact
    if reached or polarity.negators(read):
        denied = _denial_fault(read, reached, lookup, cited, desk)
        if denied:
            return denied
    names = _names(read, masks, len(cited))
    if isinstance(names, tuple):
        return names
    anchors = sorted([*names, *values, *dates]) if len(cited) > 1 else names
    return (
        (len(cited) > 1 and pairing(read, anchors, cited))
        or tense(read, marks, reached, names, cited)
        or (claims(read, marks, reached, anchors, cited, desk) if marks else None)
        or (_people_and_recency(read, marks, anchors, cited, desk) if marks else None)
        or None
    )


def _names(read: Sequence[Token], masks: Sequence[int], cited: int) -> list[Anchor] | Fault:
    """Name anchors; with one cited fact every word is about it."""
    if cited == 1:
        first = next((i for i, mask in enumerate(masks) if mask), 0)
        return [Anchor(first, len(masks) - 1, "name", 1)]
    found = mentions(read, masks)
    if isinstance(found, tuple):
        return found
    anchors: list[Anchor] = []
    for mention in found:
        if only_side(read, mention):
            if _side_astray(mention, found):
                return Reason.SIDE, read[mention.first].word
            continue
        anchors.append(Anchor(mention.first, mention.last, "name", mention.mask))
    return anchors


def _side_astray(side: Mention, found: Sequence[Mention]) -> bool:
    beside = [m for m in found if m.last < side.first][-1:] or [m for m in found if m.first > side.last][:1]
    return bool(beside) and not beside[0].mask & side.mask


def _denial_fault(
    read: Sequence[Token], reached: frozenset[int], lookup: Index, cited: Sequence[Evidence], desk: Desk
) -> Fault | None:
    """A negation must deny something that a cited fact denies too; allergies may be denied only where none stands."""
    if polarity.idle(read, reached) or not any(read[i].kind in _LICENSED for i in reached):
        return Reason.POLARITY, "negation of nothing"
    if any(stem(read[i].word) in _ALLERGY for i in reached):
        from_allergy = any(isinstance(e.fact, Allergy) and e.fact.negated for e in cited)
        general = all(
            lookup.denied.get(stem(read[i].word)) and read[i].word not in _named_allergens(cited) for i in reached
        )
        if not from_allergy or (general and desk.allergic):
            return Reason.POLARITY, "allergy"
    return None


def _named_allergens(cited: Sequence[Evidence]) -> frozenset[str]:
    """Label words of refuted single allergies: denying those is not a general all-clear."""
    return frozenset(
        word
        for e in cited
        if isinstance(e.fact, Allergy) and not e.fact.no_known
        for word in e.fact.label.lower().split()
    )


def _people_and_recency(
    read: Sequence[Token], marks: Sequence[int], anchors: Sequence[Anchor], cited: Sequence[Evidence], desk: Desk
) -> Fault | None:
    everything = (1 << len(cited)) - 1
    for mark in marks:
        kind, payload, word = read[mark]
        if kind is Kind.PERSON and (desk.person is None or desk.person.sex != payload):
            return Reason.PERSON, word
        if kind is Kind.RECENCY:
            about = [cited[i] for i in bits(bound(read, anchors, mark, everything))]
            if not recent(int(str(payload)), about, desk):
                return Reason.DATE, word
    return None


def _name_fault(name: str) -> Fault | None:
    """The name of a hypothesis is words alone: no figures with units, no directive, no claim of authority, no markup."""
    read = tokens(name)
    if read is None or len(name) > MAX_NAME:
        return Reason.UNCLEAN, ""
    barred = (Kind.FORBIDDEN, Kind.MARKUP, Kind.NOT_BEFORE, Kind.NOT_AFTER, Kind.UNIT, Kind.SPAN, Kind.COLON)
    for token in read:
        if token.kind in barred or (token.kind is Kind.UNLESS_NAMED and token.payload != "inference"):
            return Reason.SHAPE, token.word
    return None if any(token.kind is Kind.CONTENT for token in read) else (Reason.SHAPE, name)


def critical_contradiction(statement: Statement, reason: Reason, desk: Desk) -> bool:
    """True when the dropped sentence stands on a fact that may not be contradicted, or clears an allergy that stands."""
    cited = desk.cited(statement.fact_ids) or []
    if any(desk.is_critical(evidence.fact) for evidence in cited):
        return True
    return reason is Reason.POLARITY and desk.allergic and not _ALLERGY.isdisjoint(_stems(statement.text))


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(token.word) for token in tokens(text) or ())
