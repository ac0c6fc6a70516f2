"""What only one kind of fact may say, and what other facts of the prompt contradict although they are not cited.

An allergy is cleared by an AllergyIntolerance alone, a measured value comes from its reading, and an active problem, drug or
allergy is not ended or denied by quoting some other entry. Text of a record can be written by anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cds_service.grounding.checks.anchors import Anchor, bits, clause
from cds_service.grounding.checks.vocabulary import Fault
from cds_service.grounding.evidence.desk import Desk
from cds_service.grounding.evidence.evidence import Evidence, name_words, standing
from cds_service.grounding.evidence.source import source
from cds_service.grounding.language import polarity
from cds_service.grounding.language.lexicon import (
    ALLERGY,
    NAME_LISTS,
    SHORT_FORMS,
    SPANS,
    UNITS,
    WORDS,
    Kind,
    stem,
    stems,
)
from cds_service.grounding.language.tokens import Sentence
from cds_service.grounding.statement import Reason
from cds_service.record.facts import Allergy, Event, Fact, Medication, Order, Problem, Reading
from cds_service.record.units import table


def guarded(
    said: Sentence,
    reached: frozenset[int],
    masks: Sequence[int],
    values: Sequence[Anchor],
    cited: Sequence[Evidence],
    desk: Desk,
) -> Fault | None:
    """The first thing a statement says on the word of the wrong fact."""
    ends = Kind.TENSE in said.kinds and _ends(said, cited)
    if ends or polarity.negates(said):
        words = {stem(token.word) for token in said.read}
        named = {stem(said.read[i].word) for i in reached}
        cleared = _allergy_fault(words if ends else named, ends, cited, desk)
        if cleared:
            return cleared
        about = spelt_out(words if ends else named)
        against = [fact for fact in _uncited(cited, desk) if (name := name_words(fact)) and name <= about]
        if any(not _cited_by_name(fact, cited) for fact in against):
            return Reason.TENSE if ends else Reason.POLARITY, "another fact stands against it"
        if _denies_standing(spelt_out(named), cited):
            return Reason.POLARITY, "a cited fact stands against it"
    figures = [Anchor(i, i, "value", masks[i]) for i in said.numbers if masks[i]]  # "K 4.0" of a text, read as its name
    return _value_fault(said, values, cited, desk) or next(
        ((Reason.PAIRING, said.read[a.first].word) for a in figures if _misplaced(said, a, cited, desk)), None
    )


def _denies_standing(named: set[str], cited: Sequence[Evidence]) -> bool:
    """ "No sepsis" of a note, beside the active problem itself: only an entry of its own kind could deny that."""
    stands = [e.fact for e in cited if standing(e.fact) and (name := name_words(e.fact)) and name <= named]
    return any(not _cited_by_name(fact, cited) for fact in stands)


def spelt_out(words: set[str]) -> set[str]:
    """The words, and those their short forms stand for: AKI is acute kidney injury."""
    return words.union(*(SHORT_FORMS[word] for word in words if word in SHORT_FORMS))


def _ends(said: Sentence, cited: Sequence[Evidence]) -> bool:
    """A word that ends something; being discharged from a cited stay, or a completed procedure, ends nothing but itself."""
    stays = any(evidence.fact.reference.startswith("Encounter/") for evidence in cited)
    past = (t.word for t in said.read if t.kind == Kind.TENSE and t.payload == "past")
    events = all(isinstance(evidence.fact, Event) for evidence in cited)
    return any(not ((stays and word == "discharged") or (events and word == "completed")) for word in past)


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


def _cited_by_name(fact: Fact, cited: Sequence[Evidence]) -> bool:
    """An ended prescription beside a running one of the same drug is itself on record as ended."""
    ended = (e for e in cited if type(e.fact) is type(fact) and not standing(e.fact))
    return any(name_words(fact) <= e.affirmed | e.denied for e in ended)


def _value_fault(said: Sentence, values: Sequence[Anchor], cited: Sequence[Evidence], desk: Desk) -> Fault | None:
    """ "Potassium 4.0 mmol/L" on the word of a note, a dosage or a problem's name, while the prompt holds a potassium reading."""
    for value in values:
        facts = [cited[i].fact for i in bits(value.mask)]
        readings = [fact for fact in facts if isinstance(fact, Reading) and fact.value is not None]
        if readings:
            if _named_as_another(said, value, readings):
                return Reason.PAIRING, said.read[value.first].word
            continue
        if _another_drug(said, facts, desk) or _dosed_before(said, value, facts, desk):
            return Reason.PAIRING, said.read[value.first].word
        doses = any(isinstance(fact, Medication | Order) for fact in facts)
        told = any(isinstance(fact, Problem | Allergy) for fact in facts) and _has_unit(said, value)
        if (told and not doses) or _measured_before(said, value, desk, doses):
            return Reason.PAIRING, said.read[value.first].word
    return None


def _another_drug(said: Sentence, facts: Sequence[Fact], desk: Desk) -> bool:
    """A dose said of something its prescription is not called, or of another drug that only the dosage text names."""
    drugs = [fact for fact in facts if isinstance(fact, Medication)]
    if not drugs or len(drugs) != len(facts):
        return False
    words = {stem(token.word) for token in said.read}
    if all(words.isdisjoint(source(drug.label).affirmed - source(drug.dose).affirmed) for drug in drugs):
        return True
    own = frozenset().union(*(source(drug.label).affirmed for drug in drugs))
    told = frozenset().union(*(source(drug.dose).affirmed for drug in drugs))
    others = (name_words(fact) for fact in desk.facts.values() if isinstance(fact, Medication))
    return any(name <= words & told and not name <= own for name in others)


def _dosed_before(said: Sentence, value: Anchor, facts: Sequence[Fact], desk: Desk) -> bool:
    """ "Warfarin 50 mg" on the word of a note or a result, while the prompt holds a prescription of warfarin."""
    if not _has_unit(said, value) or any(isinstance(fact, Medication | Order) for fact in facts):
        return False
    first, _ = clause(said.read, value.first)
    before = {stem(token.word) for token in said.read[first : value.first]}
    return any(name_words(fact) <= before for fact in desk.facts.values() if isinstance(fact, Medication))


def _own_names() -> dict[str, frozenset[str]]:
    """Concept → the words only it is called by ("k", "hb"), without those that mean a unit, a letter or a span elsewhere."""
    listed = {key: NAME_LISTS[key] for key in table().concepts if key in NAME_LISTS}
    used = Counter(word for words in listed.values() for word in words)
    barred = UNITS.keys() | SPANS.keys() | set("abcdipt")
    return {key: frozenset(w for w in words if used[w] == 1 and w not in barred) for key, words in listed.items()}


_ALIASES = _own_names()
_CONCEPTS = {  # without the connectives a name may hold: "rate" of "heart rate"
    frozenset(
        stem(w) for w in concept.label.lower().replace(",", "").split() if WORDS.get(w, (0,))[0] != Kind.LIGHT
    ): key
    for key, concept in table().concepts.items()
}
_BETWEEN = frozenset({Kind.LIGHT, Kind.COLON, Kind.STATE, Kind.PLACE, Kind.NUMBER, Kind.MONTH, Kind.UNIT})


def _named_as_another(said: Sentence, value: Anchor, readings: Sequence[Reading]) -> bool:
    """ "Haemoglobin 7.9": the words before the value are the whole name of something else than what it was measured of."""
    last = value.first - 1
    while last >= 0 and said.read[last].kind in _BETWEEN:
        last -= 1
    first = last
    while first >= 0 and said.read[first].kind == Kind.CONTENT:
        first -= 1
    run = frozenset(stem(token.word) for token in said.read[first + 1 : last + 1])
    other = _CONCEPTS.get(run)
    return other is not None and not any(r.concept == other or stems(r.label.lower()) == run for r in readings)


def _measured_before(said: Sentence, value: Anchor, desk: Desk, doses: bool) -> bool:
    """True when the whole name of something measured in this prompt stands right before the value.

    In the name of a drug it may stand after another word: potassium chloride 20 mmol.
    """
    at = value.first - 1
    while at > 0 and said.read[at].kind == Kind.LIGHT:
        at -= 1
    for concept in desk.concepts:
        listed = table().concepts.get(concept)
        words = listed.label.lower().replace(",", "").split() if listed is not None else []
        first = at - len(words) + 1
        short = said.read[at].word in _ALIASES.get(concept, ())
        if short:
            first = at
        if short or (words and first >= 0 and [t.word for t in said.read[first : at + 1]] == words):
            return not doses or first == 0 or said.read[first - 1].kind != Kind.CONTENT
    return False


def _misplaced(said: Sentence, number: Anchor, cited: Sequence[Evidence], desk: Desk) -> bool:
    facts = [cited[i].fact for i in bits(number.mask)]
    if any(isinstance(fact, Reading) and fact.value is not None for fact in facts):
        return False
    return _measured_before(said, number, desk, any(isinstance(fact, Medication | Order) for fact in facts))


def _has_unit(said: Sentence, value: Anchor) -> bool:
    after = value.last + 1
    return after < len(said.read) and said.read[after].kind == Kind.UNIT
