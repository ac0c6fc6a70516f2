"""One statement against its cited facts: shape, words, numbers, dates, pairing, tense, series, person.

The first fault wins. Each check lives in a file of its own; this one says in which order they look.
"""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.grounding.checks.anchors import Anchor, bits, bound
from cds_service.grounding.checks.attribution import attribution, caused
from cds_service.grounding.checks.certainty import certainty
from cds_service.grounding.checks.dates import anchor_dates
from cds_service.grounding.checks.frequency import frequency
from cds_service.grounding.checks.guarded import guarded
from cds_service.grounding.checks.hypothesis import MAX_CHANGES, hypothesis_fault
from cds_service.grounding.checks.numbers import anchor_numbers
from cds_service.grounding.checks.omitted import omitted
from cds_service.grounding.checks.pairing import pairing
from cds_service.grounding.checks.recombined import recombined
from cds_service.grounding.checks.series import claims
from cds_service.grounding.checks.spans import previous, recent
from cds_service.grounding.checks.tense import tense
from cds_service.grounding.checks.vocabulary import Fault, Mention, mentions, only_side, resolve
from cds_service.grounding.evidence.desk import Desk
from cds_service.grounding.evidence.evidence import Evidence
from cds_service.grounding.evidence.literal import literal
from cds_service.grounding.language import polarity
from cds_service.grounding.language.lexicon import ALLERGY, DOSING, Kind, stem
from cds_service.grounding.language.tokens import Sentence, Token, sentence
from cds_service.grounding.statement import CONTRADICTIONS, Reason, Statement

MAX_TEXT = 400  # characters of a statement
MAX_FACTS = 12
_KINDS = ("record", "hypothesis")
_LICENSED = (Kind.CONTENT, Kind.STATE, Kind.TREND, Kind.TENSE, Kind.PLACE, Kind.UNLESS_NAMED)


def fault(statement: Statement, desk: Desk) -> Fault | None:
    """Why a statement may not be shown, and the word where the check stopped; None when every check passes."""
    if not _shaped(statement):
        return Reason.SHAPE, ""
    cited = desk.cited(statement.fact_ids)
    if cited is None or (statement.contrary_ids and desk.cited(statement.contrary_ids) is None):
        return Reason.UNKNOWN_FACT, ""
    if statement.kind == "hypothesis":
        wrong = hypothesis_fault(statement)
        if wrong:
            return wrong
    elif literal(statement.text, cited, desk.zone, desk.now):
        return None
    said = sentence(statement.text)
    return (Reason.UNCLEAN, "") if said is None else _text_fault(said, desk.evidence(cited), desk)


def _shaped(statement: Statement) -> bool:
    return (
        statement.kind in _KINDS
        and 0 < len(statement.text.strip()) <= MAX_TEXT
        and 0 < len(statement.fact_ids) <= MAX_FACTS
        and len(statement.contrary_ids) <= MAX_FACTS
        and (statement.kind == "hypothesis") is bool(statement.name)
        and len(statement.changes) <= MAX_CHANGES
        and (statement.kind == "hypothesis" or not (statement.contrary_ids or statement.changes or statement.topic))
    )


def _text_fault(said: Sentence, cited: Sequence[Evidence], desk: Desk) -> Fault | None:
    """Words first (they decide most), then figures, then what the words claim about them."""
    reached = polarity.denied(said)
    words = resolve(said.read, reached, cited)
    if isinstance(words[0], Reason):
        return words
    masks, marks = words
    supposed = certainty(said, reached, masks, cited)
    if supposed:
        return supposed
    mixed = recombined(said.read, masks, cited)
    if mixed:
        return mixed
    dates = anchor_dates(said, cited)
    if isinstance(dates, tuple):
        return dates
    values = anchor_numbers(said, masks, dates, cited, desk)
    if isinstance(values, tuple):
        return values
    if not values and not any(masks):
        return Reason.SHAPE, ""  # says nothing of any fact
    denied = _idle_denial(said, reached) or guarded(said, reached, masks, values, cited, desk)
    if denied:
        return denied
    names = _names(said.read, masks, cited)
    if isinstance(names, tuple):
        return names
    mistaken = frequency(said, names, cited) or omitted(said, [*values, *dates], names, cited, desk)
    if mistaken:
        return mistaken
    return _claim_fault(said, marks, reached, names, [*values, *dates], cited, desk)


def _claim_fault(
    said: Sentence,
    marks: list[int],
    reached: frozenset[int],
    names: list[Anchor],
    figures: list[Anchor],
    cited: Sequence[Evidence],
    desk: Desk,
) -> Fault | None:
    anchors = names
    found: Fault | None = None
    if len(cited) > 1 and figures:
        anchors = sorted([*names, *figures])
        found = pairing(said.read, anchors, cited)
    found = found or tense(said.read, marks, reached, names, cited)
    if found or not marks:
        return found
    return claims(said.read, marks, reached, anchors, cited, desk) or _people_and_recency(
        said.read, marks, anchors, cited, desk
    )


def _names(read: Sequence[Token], masks: Sequence[int], cited: Sequence[Evidence]) -> list[Anchor] | Fault:
    """Name anchors; with one cited fact every word is about it."""
    if len(cited) == 1:
        first = next((i for i, mask in enumerate(masks) if mask), 0)
        return [Anchor(first, len(masks) - 1, "name", 1)]
    found = mentions(read, masks)
    if isinstance(found, tuple):
        return found
    mistaken = attribution(read, found, cited) or caused(read, found)
    if mistaken:
        return mistaken
    anchors: list[Anchor] = []
    for mention in found:
        if all(read[i].word in DOSING for i in range(mention.first, mention.last + 1) if masks[i]):
            continue  # "once daily" of two dosages names no drug
        if only_side(read, mention):
            if _side_astray(mention, found):
                return Reason.SIDE, read[mention.first].word
            continue
        anchors.append(Anchor(mention.first, mention.last, "name", mention.mask))
    return anchors


def _side_astray(side: Mention, found: Sequence[Mention]) -> bool:
    beside = [m for m in found if m.last < side.first][-1:] or [m for m in found if m.first > side.last][:1]
    return bool(beside) and not beside[0].mask & side.mask


def _idle_denial(said: Sentence, reached: frozenset[int]) -> Fault | None:
    """A negation must deny something that can be denied."""
    if polarity.negates(said) and (polarity.idle(said) or not any(said.read[i].kind in _LICENSED for i in reached)):
        return Reason.POLARITY, "negation of nothing"
    return None


def _people_and_recency(
    read: Sequence[Token], marks: Sequence[int], anchors: Sequence[Anchor], cited: Sequence[Evidence], desk: Desk
) -> Fault | None:
    everything = (1 << len(cited)) - 1
    for mark in marks:
        kind, payload, word = read[mark]
        if kind == Kind.PERSON and (desk.person is None or desk.person.sex != payload):
            return Reason.PERSON, word
        if kind == Kind.RECENCY:
            about = [cited[i] for i in bits(bound(read, anchors, mark, everything))]
            holds = (
                previous(payload, about, desk)
                if isinstance(payload, str)
                else recent(int(str(payload)), about, desk, word.removeprefix("this "))
            )
            if not holds:
                return Reason.DATE, word
    return None


def critical_contradiction(statement: Statement, reason: Reason, desk: Desk) -> bool:
    """True when the dropped sentence contradicts a fact that may not be contradicted, or clears an allergy that stands.

    Whatever else is wrong with a sentence, the denial of a standing allergy is never only that.
    """
    cited = desk.cited(statement.fact_ids) or []
    if reason in CONTRADICTIONS and any(desk.is_critical(fact) for fact in cited):
        return True
    said = sentence(statement.text) if desk.allergic else None
    if said is None or not (reason is Reason.POLARITY or polarity.negates(said)):
        return False
    return not ALLERGY.isdisjoint({stem(token.word) for token in said.read})
