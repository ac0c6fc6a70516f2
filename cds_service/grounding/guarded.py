"""What only one kind of fact may say, and what other facts of the prompt contradict although they are not cited.

An allergy is cleared by an AllergyIntolerance alone, a measured value comes from its reading, and an active problem, drug or
allergy is not ended or denied by quoting some other entry. Text of a record can be written by anybody.
"""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.grounding import polarity
from cds_service.grounding.anchors import Anchor, bits
from cds_service.grounding.desk import Desk
from cds_service.grounding.evidence import Evidence
from cds_service.grounding.lexicon import Kind, stem, stems
from cds_service.grounding.source import source
from cds_service.grounding.statement import Reason
from cds_service.grounding.tokens import Sentence
from cds_service.grounding.vocabulary import Fault
from cds_service.record.facts import Allergy, Fact, Medication, Order, Problem, Reading
from cds_service.record.units import table

_MEASURED = (Reading, Medication, Order)  # facts that carry figures of their own
ALLERGY = frozenset({"allergy", "allergic", "allergen", "nkda", "nka", "intolerance", "hypersensitivity"})


def guarded(
    said: Sentence, reached: frozenset[int], values: Sequence[Anchor], cited: Sequence[Evidence], desk: Desk
) -> Fault | None:
    """The first thing a statement says on the word of the wrong fact."""
    ends = Kind.TENSE in said.kinds and any(t.kind == Kind.TENSE and t.payload == "past" for t in said.read)
    if ends or polarity.negates(said):
        words = {stem(token.word) for token in said.read}
        named = {stem(said.read[i].word) for i in reached}
        cleared = _allergy_fault(words if ends else named, ends, cited, desk)
        if cleared:
            return cleared
        against = [
            fact for fact in _uncited(cited, desk) if (name := _name(fact)) and name <= (words if ends else named)
        ]
        if any(not _cited_by_name(fact, cited) for fact in against):
            return Reason.TENSE if ends else Reason.POLARITY, "another fact stands against it"
    return _value_fault(said, values, cited, desk) if values else None


def _allergy_fault(words: set[str], ends: bool, cited: Sequence[Evidence], desk: Desk) -> Fault | None:
    """No allergy is denied or ended but by the AllergyIntolerance that says so; a general denial needs that none stands."""
    if ALLERGY.isdisjoint(words) or (ends and ALLERGY & words == {"allergic"}):
        return None  # allergic rhinitis, an allergic reaction of the past
    allergies = [e.fact for e in cited if isinstance(e.fact, Allergy)]
    over = [fact for fact in allergies if fact.negated or not fact.active]
    if not over:
        return Reason.POLARITY, "allergy"
    single = {word for fact in over if not fact.no_known for word in source(fact.label).affirmed}
    return (Reason.POLARITY, "allergy") if desk.allergic and single.isdisjoint(words) else None


def _uncited(cited: Sequence[Evidence], desk: Desk) -> list[Fact]:
    held = {evidence.fact.number for evidence in cited}
    return [fact for fact in desk.standing if fact.number not in held]


def _name(fact: Fact) -> frozenset[str]:
    """The words that name a fact: a drug's first, all of a problem's or an allergen's."""
    if isinstance(fact, Medication):
        return stems(fact.label.lower().partition(" ")[0])
    return source(fact.label).affirmed


def _cited_by_name(fact: Fact, cited: Sequence[Evidence]) -> bool:
    """An ended prescription beside a running one of the same drug is itself on record as ended."""
    return any(type(e.fact) is type(fact) and _name(fact) <= e.affirmed | e.denied for e in cited)


def _value_fault(said: Sentence, values: Sequence[Anchor], cited: Sequence[Evidence], desk: Desk) -> Fault | None:
    """ "Potassium 4.0 mmol/L" on the word of a note or a problem's name, while the prompt holds a potassium reading."""
    lent = [a for a in values if not any(isinstance(cited[i].fact, _MEASURED) for i in bits(a.mask))]
    if not lent or not desk.concepts:
        return None
    if any(isinstance(cited[i].fact, Problem | Allergy) for a in lent for i in bits(a.mask) if _has_unit(said, a)):
        return Reason.PAIRING, said.read[lent[0].first].word
    words = {stem(token.word) for token in said.read}
    for concept in desk.concepts:
        listed = table().concepts.get(concept)
        if listed is not None and stems(listed.label.lower().replace(",", " ")) <= words:
            return Reason.PAIRING, said.read[lent[0].first].word
    return None


def _has_unit(said: Sentence, value: Anchor) -> bool:
    after = value.last + 1
    return after < len(said.read) and said.read[after].kind == Kind.UNIT
