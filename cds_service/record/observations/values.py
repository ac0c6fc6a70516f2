"""value[x] of an Observation or a component → one value, a text, or a refusal. A comparator makes a bound; a text
is never a number.

Sources: FHIR R4 Observation.value[x], Quantity.comparator, invariant obs-6; fault matrix rows 47 and 48.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct

from cds_service.record import text
from cds_service.record.coding import NOTHING, Coded, coded
from cds_service.record.facts import Code, Refusal
from cds_service.record.units import UCUM, Concept, Conversion, conversion_for, plain
from fhir_adapters.read.datatypes import CodeableConcept, Quantity
from fhir_adapters.read.observation import ComponentView, ObservationView

COMPARATORS = {"<": "<", "<=": "<=", ">=": ">=", ">": ">", "≤": "<=", "≥": ">=", "=<": "<=", "=>": ">="}
BOUND = re.compile(r"(<=|>=|=<|=>|<|>|≤|≥)\s*(\d{1,12}(?:\.\d{1,12})?)\s*(\S.{0,40})?")
TEXT = 300
MOST, LEAST, FINEST = (
    Decimal("1E15"),
    Decimal("-1E15"),
    -30,
)  # beyond these no record writes a number; printing one would hurt


class Value(Struct, frozen=True, gc=False):
    """What a value says, in the concept's unit."""

    value: Decimal | None = None
    comparator: str = ""
    unit: str = ""
    text: str = ""
    codes: tuple[Code, ...] = ()
    written: str = ""
    written_value: Decimal | None = None
    written_unit: str = ""
    refusal: Refusal | None = None
    note: str = ""
    conversion: Conversion | None = None


EMPTY = Value(refusal=Refusal.NO_VALUE)
KINDS = (
    "valueQuantity", "valueCodeableConcept", "valueString", "valueBoolean", "valueInteger", "valueRange", "valueRatio",
    "valueSampledData", "valueTime", "valueDateTime", "valuePeriod",
)  # fmt: skip


def other_kinds(view: ObservationView | ComponentView) -> bool:
    """True when there is a value that is not a Quantity. Written out: this is asked of every observation."""
    return (
        view.valueCodeableConcept is not None
        or view.valueString is not None
        or view.valueInteger is not None
        or view.valueBoolean is not None
        or view.valueDateTime is not None
        or view.valueRange is not None
        or view.valueRatio is not None
        or view.valueTime is not None
        or view.valuePeriod is not None
        or view.valueSampledData is not None
    )


def judge(view: ObservationView | ComponentView, name: Coded) -> Value:
    """The value of an Observation or component whose code was judged as ``name``."""
    quantity = view.valueQuantity
    if quantity is None:
        return _other_kind(view, name)
    if other_kinds(view):
        return Value(refusal=Refusal.MALFORMED, note="two values")
    if view.dataAbsentReason is not None:
        return _absent(view.dataAbsentReason)
    return measure(quantity, name)


def measure(quantity: Quantity, name: Coded) -> Value:
    """A Quantity in the unit of its concept; as written where the code is not known to us."""
    number = quantity.value
    if number is None:
        return Value(refusal=Refusal.NO_VALUE, text=_unit_words(quantity))
    comparator = quantity.comparator or ""
    if comparator:
        comparator = COMPARATORS.get(comparator.strip(), "?")
        if comparator == "?":
            return Value(refusal=Refusal.MALFORMED, note="unknown comparator", written=wrote(quantity))
    if not number.is_finite() or not LEAST <= number <= MOST or number.adjusted() < FINEST:
        return Value(refusal=Refusal.IMPLAUSIBLE, written=wrote(quantity))
    concept = name.concept
    if concept is None:
        return Value(number, comparator, _unit_words(quantity))
    if concept.kind != "number":
        return Value(refusal=Refusal.MALFORMED, note="a number where an answer is asked for", written=wrote(quantity))
    found = conversion_for(concept.key, name.code, quantity.unit, quantity.code, quantity.system)
    if isinstance(found, str):
        return Value(refusal=Refusal.UNKNOWN_UNIT, note=text.clean(found, 120), written=wrote(quantity))
    return _within(number, comparator, found, concept, quantity)


def _within(number: Decimal, comparator: str, found: Conversion, concept: Concept, quantity: Quantity) -> Value:
    low = min(found.low, _ZERO) if comparator else found.low
    if not low <= number <= found.high:
        return Value(refusal=Refusal.IMPLAUSIBLE, written=wrote(quantity), conversion=found)
    if not found.steps:
        return Value(number, comparator, concept.unit, conversion=found)
    return Value(
        found.apply(number), comparator, concept.unit, written=wrote(quantity), written_value=number,
        written_unit=found.unit, conversion=found,
    )  # fmt: skip


_ZERO = Decimal(0)


def wrote(quantity: Quantity) -> str:
    """A Quantity as the source writes it: ``<88.4 umol/L``."""
    number = "" if quantity.value is None else str(quantity.value)[:40]
    return text.clean(f"{quantity.comparator or ''}{number} {quantity.unit or quantity.code or ''}", 80)


def _unit_words(quantity: Quantity) -> str:
    return text.label(quantity.unit or quantity.code or "")


def _other_kind(view: ObservationView | ComponentView, name: Coded) -> Value:
    present = [kind for kind in KINDS if getattr(view, kind) is not None]
    if len(present) > 1:
        return Value(refusal=Refusal.MALFORMED, note="two values")
    if view.dataAbsentReason is not None:
        return _absent(view.dataAbsentReason)
    if not present:
        return EMPTY
    kind, content = present[0], getattr(view, present[0])
    if kind == "valueInteger":
        return measure(Quantity(value=Decimal(content)), name)
    if kind == "valueCodeableConcept":
        return _answer(coded(content), name)
    words = _words(kind, content)
    if kind == "valueString" and (bound := _bound(words, name)) is not None:
        return bound
    if name.concept is not None and name.concept.kind == "number":
        return Value(refusal=Refusal.NO_VALUE, text=words, note="text where a number is asked for")
    return _answer(Coded((), words), name)


def _words(kind: str, content: Any) -> str:
    if kind in ("valueString", "valueTime", "valueDateTime"):
        return text.clean(content, TEXT)
    if kind == "valueBoolean":
        return "yes" if content else "no"
    if kind == "valueRange":
        return " – ".join(wrote(q) for q in (content.low, content.high) if q is not None)
    if kind == "valueRatio":
        return " : ".join(wrote(q) for q in (content.numerator, content.denominator) if q is not None)
    if kind == "valuePeriod":
        return text.clean(f"{content.start or ''} – {content.end or ''}", TEXT)
    return "sampled data"


def _absent(reason: CodeableConcept) -> Value:
    why = coded(reason)
    return Value(refusal=Refusal.NOT_MEASURED, text=why.label or (why.codes[0].code if why.codes else ""))


def _answer(found: Coded, name: Coded) -> Value:
    """A coded or worded answer; the answers of units.toml are put into its words, the source's stay in ``written``."""
    concept = name.concept
    if concept is None or concept.kind == "date":
        return Value(text=found.label, codes=found.codes) if found is not NOTHING and found.label else EMPTY
    if concept.kind == "number":
        return Value(
            refusal=Refusal.NO_VALUE, text=found.label, codes=found.codes, note="an answer where a number is asked for"
        )
    hits = {concept.answer_codes[key] for c in found.codes if (key := (c.system, c.code)) in concept.answer_codes}
    if not hits:
        names = (found.label, *(c.display for c in found.codes))
        hits = {concept.answer_words[w] for n in names if (w := plain(n)) in concept.answer_words}
    if len(hits) == 1:
        answer = hits.pop()
        return Value(text=answer, codes=found.codes, written=found.label if plain(found.label) != plain(answer) else "")
    if concept.strict or hits:
        return Value(refusal=Refusal.NO_VALUE, text=found.label, codes=found.codes, note="answer not in the table")
    return Value(text=found.label, codes=found.codes) if found.label else EMPTY


def _bound(words: str, name: Coded) -> Value | None:
    """A string that is strictly a comparator and a number, with a unit the table knows (or none where there is only one)."""
    concept = name.concept
    if concept is None or concept.kind != "number":
        return None
    match = BOUND.fullmatch(words)
    if match is None:
        return None
    unit = match[3] or (concept.unit if concept.bare_bound else None)
    try:
        number = Decimal(match[2])
    except InvalidOperation:
        return None
    quantity = Quantity(value=number, comparator=match[1], unit=unit, system=UCUM if match[3] is None else None)
    found = measure(quantity, name)
    return found if found.refusal is None else None
