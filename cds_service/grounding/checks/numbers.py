"""Every number of a statement: a value with its unit and comparator, a limit, a count, an age, a span. Else it is a fault."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal

from cds_service.grounding.checks.anchors import Anchor, bits
from cds_service.grounding.checks.spans import age_holds, span_holds
from cds_service.grounding.checks.vocabulary import Fault
from cds_service.grounding.evidence.desk import Desk
from cds_service.grounding.evidence.evidence import Evidence, name_words
from cds_service.grounding.evidence.figures import (
    Figure,
    bounds,
    compared,
    differs,
    dosed,
    is_limit,
    is_range,
    matching,
)
from cds_service.grounding.evidence.source import source
from cds_service.grounding.language.lexicon import DOSING, KIND_WORDS, LIMIT_WORDS, SIGNS, UNITS, Kind, stem
from cds_service.grounding.language.measures import same
from cds_service.grounding.language.tokens import Numeral, Sentence, Token
from cds_service.grounding.statement import Reason
from cds_service.record.facts import Medication, Reading

_COUNTED = frozenset(["readings", "results", "values", "measurements", "times", "occasions", "entries"])
_KINDS = frozenset().union(*KIND_WORDS.values())
_LIMIT_KINDS = (Kind.NUMBER, Kind.UNIT, Kind.COLON)
_LIMIT_JOINTS = frozenset({"of", "to", "-", "is", "("})  # between "reference range" and its figures
_AGE_WORDS = frozenset({"aged", "age"})


def anchor_numbers(
    said: Sentence, masks: list[int], dates: Sequence[Anchor], cited: Sequence[Evidence], desk: Desk
) -> list[Anchor] | Fault:
    """Value anchors of a statement, or the first number that no cited fact carries. Tokens of ``dates`` are read already."""
    anchors: list[Anchor] = []
    read = said.read
    dated = {i for anchor in dates for i in range(anchor.first, anchor.last + 1)}
    for position in said.numbers:
        if position in dated:
            continue
        numeral: Numeral = read[position].payload  # type: ignore[assignment]
        if numeral.shape == "number":
            found = _number(read, position, masks, cited, desk)
        elif numeral.shape == "odd":
            return Reason.NUMBER, read[position].word
        else:
            found = _compound(read, position, numeral, cited)
        if isinstance(found, tuple):
            return found
        if found:
            anchors.append(Anchor(position, position, "value", found))
    strange = _strange_unit(read, cited)
    return (Reason.UNIT, strange) if strange else anchors


def _strange_unit(read: Sequence[Token], cited: Sequence[Evidence]) -> str:
    """A unit in parentheses, away from its numbers, must be that of a cited reading."""
    for position, token in enumerate(read):
        if token.kind == Kind.UNIT and position and read[position - 1].word == "(":
            unit = str(token.payload)
            if not any(unit == e.unit or same(Decimal(1), unit, Decimal(1), e.unit) for e in cited):
                return token.word
    return ""


def _number(
    read: Sequence[Token], position: int, masks: list[int], cited: Sequence[Evidence], desk: Desk
) -> int | Fault:
    """Mask of the facts a plain number is a value of; 0 when it is a limit, count, age or span that holds."""
    text = read[position].payload.a  # type: ignore[attr-defined]
    following = read[position + 1] if position + 1 < len(read) else None
    unit = _unit_after(following)
    if not unit:
        named = _in_name(text, position, masks, cited)
        if named:
            masks[position] = named
            return 0
    before = read[position - 1].kind if position else Kind.LIGHT
    figure = Figure(text, unit, SIGNS.get(before, ""), before == Kind.ABOUT)
    if _limit_context(read, position, masks):
        return _limit(read, position, figure, cited)
    found = _without_strengths(read, position, figure, matching(figure, cited), cited)
    if found and position and read[position - 1].word in ("every", "each"):
        return 0  # "every 12 hours" is no value but how often (frequency.py)
    leads = unit and position + 2 < len(masks) and read[position + 2].word not in DOSING
    if found and leads and masks[position + 2] & found:
        masks[position] = masks[position + 2] & found  # "2 ml ondansetron": a strength that leads the name
        return 0
    return found or _otherwise(read, position, masks, figure, cited, desk)


def _without_strengths(
    read: Sequence[Token], position: int, figure: Figure, found: int, cited: Sequence[Evidence]
) -> int:
    """The strength of a tablet is no dose where the dosage names another: "5 mg once daily" of four tablets of 5 mg.

    With the form after it ("5 MG soluble tablet") it is the name of the drug.
    """
    if not found or not figure.unit or not any(isinstance(cited[place].fact, Medication) for place in bits(found)):
        return found
    after = itertools.takewhile(lambda t: t.kind not in (Kind.SOFT, Kind.HARD), read[position + 1 : position + 6])
    form = next((stem(t.word) for t in after if t.kind == Kind.CONTENT and t.word not in UNITS), "")
    for place in bits(found):
        fact = cited[place].fact
        if not isinstance(fact, Medication) or not fact.dose or dosed(figure, fact.dose):
            continue
        if form not in source(fact.label).affirmed - source(fact.dose).affirmed:
            found &= ~(1 << place)
    return found


def _unit_after(token: Token | None) -> str:
    if token is None or token.kind not in (Kind.UNIT, Kind.SPAN):
        return ""
    return str(token.payload) if token.kind == Kind.UNIT else f"#{token.payload}"


def _otherwise(
    read: Sequence[Token],
    position: int,
    masks: Sequence[int],
    figure: Figure,
    cited: Sequence[Evidence],
    desk: Desk,
) -> int | Fault:
    text = figure.text
    if figure.sign:
        threshold = compared(figure, cited)
        if threshold is not None:
            return threshold
    span_at = position + 2 if position + 1 < len(read) and read[position + 1].word == "-" else position + 1
    span = str(read[span_at].payload) if span_at < len(read) and read[span_at].kind == Kind.SPAN else ""
    after = {t.word for t in read[span_at + 1 : span_at + 3]}
    if (position and read[position - 1].word in _AGE_WORDS) or (span and "old" in after):
        return 0 if age_holds(text, span or "year", desk) else (Reason.PERSON, text)
    if _changes(read, position) and differs(figure, cited):
        return 0
    if span:
        return 0 if span_holds(text, span, "ago" in after, cited, desk) else (Reason.NUMBER, text)
    if not figure.unit and (
        _count_holds(read, position, text, cited) or _as_many(read, position, masks, text, cited, desk)
    ):
        return 0
    if figure.unit and matching(figure._replace(unit=""), cited):
        return Reason.UNIT, f"{text} {figure.unit}"
    return Reason.NUMBER, text


def _changes(read: Sequence[Token], position: int) -> bool:
    """ "dropped by 8", "a gain of 5.2": the number says how far, the word which way (series.py)."""
    before = read[max(position - 3, 0) : position]
    return bool(before) and before[-1].word in ("by", "of") and any(t.kind == Kind.TREND for t in before)


def _in_name(text: str, position: int, masks: Sequence[int], cited: Sequence[Evidence]) -> int:
    """A number that belongs to a name beside it: type 2 diabetes, COVID-19, vitamin B 12."""
    before = masks[position - 1] if position else 0
    if position > 1 and not before:
        before = masks[position - 2]
    after = masks[position + 1] if position + 1 < len(masks) else 0
    beside = before | after
    if not beside:
        return 0
    mask = 0
    for place, evidence in enumerate(cited):
        if beside >> place & 1 and any(text in each.numbers for each in evidence.sources):
            mask |= 1 << place
    return mask


def _limit_context(read: Sequence[Token], position: int, masks: Sequence[int]) -> bool:
    if position and read[position - 1].kind in SIGNS:
        position -= 1
    for at in range(position - 1, max(position - 7, -1), -1):
        token = read[at]
        if token.word in LIMIT_WORDS:
            return not (token.word == "interval" and at and masks[at - 1])  # "QTc interval 492 ms"
        if token.kind not in _LIMIT_KINDS and token.word not in _LIMIT_JOINTS:
            return False
    return False


def _limit(read: Sequence[Token], position: int, figure: Figure, cited: Sequence[Evidence]) -> int | Fault:
    """A limit of a cited reading; "above the limit of 5.1" only where the reading lies there."""
    if figure.sign and not any(bounds(figure, e) for e in cited):
        return Reason.NUMBER, figure.text  # "ref <5" is an upper limit
    if figure.sign:
        return 0
    signs = [SIGNS[t.kind] for t in read[max(position - 6, 0) : position] if t.kind in SIGNS]
    if not any(is_limit(figure, e) for e in cited):
        beside = matching(figure, cited) if read[position - 1].word == "(" else 0  # "within range (0.8 mmol/L)"
        return beside or (Reason.NUMBER, figure.text)
    if signs and compared(figure._replace(sign=signs[-1]), cited) is None:
        return Reason.STATE, figure.text
    return 0


def _count_holds(read: Sequence[Token], position: int, text: str, cited: Sequence[Evidence]) -> bool:
    """ "3 readings", "two active problems": as many as are cited."""
    counted = any(t.word in _COUNTED or t.payload in _KINDS for t in read[position + 1 : position + 4])
    return counted and text == str(len(cited))


def _as_many(
    read: Sequence[Token], position: int, masks: Sequence[int], text: str, cited: Sequence[Evidence], desk: Desk
) -> bool:
    """ "One previous caesarean section": as many entries of that name as the prompt holds, all of them cited."""
    if not read[position].word.isalpha() or (position and masks[position - 1]):
        return False  # "type 1 diabetes" counts nothing
    named = next((mask for mask in masks[position + 1 : position + 4] if mask), 0)
    facts = [cited[i].fact for i in bits(named)]
    if not facts or any(isinstance(fact, Reading | Medication) for fact in facts) or text != str(len(facts)):
        return False
    name = name_words(facts[0])
    return all(name_words(fact) == name for fact in facts) and len(facts) == sum(
        type(fact) is type(facts[0]) and name <= name_words(fact) for fact in desk.facts.values()
    )


def _compound(read: Sequence[Token], position: int, numeral: Numeral, cited: Sequence[Evidence]) -> int | Fault:
    """A range must be the reference range of a cited reading, a pair a blood pressure; or stand so in the source."""
    word = read[position].word
    if numeral.shape == "range" and any(is_range(numeral.a, numeral.b, e) for e in cited):
        return 0
    if numeral.shape == "pair":
        both = _pressures(numeral, cited)
        if both:
            following = read[position + 1] if position + 1 < len(read) else None
            wrong = following is not None and following.kind == Kind.UNIT and following.payload != "mm[hg]"
            return (Reason.UNIT, word) if wrong else both
    mask = 0
    for place, evidence in enumerate(cited):
        if any(word in each.numbers for each in evidence.sources):
            mask |= 1 << place
    return mask or (Reason.NUMBER, word)


def _pressures(pair: Numeral, cited: Sequence[Evidence]) -> int:
    """Systolic and diastolic of one measurement: of the same time."""
    mask = 0
    lower = list(bits(_valued(pair.b, "diastolic_bp", cited)))
    for place in bits(_valued(pair.a, "systolic_bp", cited)):
        for other in lower:
            if cited[place].fact.time == cited[other].fact.time:
                mask |= 1 << place | 1 << other
    return mask


def _valued(text: str, concept: str, cited: Sequence[Evidence]) -> int:
    mask = 0
    for place, evidence in enumerate(cited):
        fact = evidence.fact
        if isinstance(fact, Reading) and fact.concept == concept and fact.value == Decimal(text):
            mask |= 1 << place
    return mask
