"""What stands beside a value: the laboratory's flags, its reference range, and words that make the sample doubtful."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

from msgspec import Raw

from cds_service.record import text
from cds_service.record.coding import Coded, coded
from cds_service.record.units import Conversion, conversion_for
from fhir_adapters.read.datatypes import Annotation, CodeableConcept, Quantity
from fhir_adapters.read.observation import ranges

FLAGS = frozenset({
    "H", "HH", "HU", "L", "LL", "LU", "A", "AA", "N", "HX", "LX", "POS", "NEG", "IND", "E", "D", "U", "B", "W", "S",
    "R", "I", "NR", "RR", "WR", "<", ">",
})  # fmt: skip
SPOILT = re.compile(
    r"(?P<not>\b(?:no|not|non|without|nil|negative for|absence of)[\s-]+(?:\w+\s+){0,2})?"
    r"\b(?P<what>ha?emoly[sz]|lip[ae]?emi|icteri|clotted|contaminat|diluted|drip arm|wrong tube|insufficient|unreliable"
    r"|(?P<again>please repeat|repeat (?:is )?(?:advised|recommended|requested|required|suggested)))"
    r"\w*(?P<none>\s*(?:index)?\s*[:=]?\s*(?:none|negative|absent|not detected|nil|no\b|0\b))?",
    re.IGNORECASE,
)
Limits = tuple[Decimal | None, Decimal | None]


def interpret(concepts: list[CodeableConcept]) -> tuple[tuple[str, ...], str]:
    """The laboratory's flags (v3 ObservationInterpretation, v2 0078) and what its words say about the sample."""
    if len(concepts) == 1:
        found = coded(concepts[0])
        codes = found.codes
        return _flag(codes[0].code if len(codes) == 1 else ",".join(c.code for c in codes), found.label)
    flags: dict[str, None] = {}
    said: dict[str, None] = {}
    for concept in concepts:
        found = coded(concept)
        own, words = _flag(",".join(c.code for c in found.codes), found.label)
        flags |= dict.fromkeys(own)
        said |= dict.fromkeys([words] if words else [])
    return tuple(flags), "; ".join(said)


@lru_cache(maxsize=2048)
def _flag(codes: str, label: str) -> tuple[tuple[str, ...], str]:
    given = [code.upper() for code in codes.split(",")] if codes else [label.upper()]
    return tuple(dict.fromkeys(code for code in given if code in FLAGS)), spoilt_text(label)


def spoilt(notes: Iterable[Annotation]) -> str:
    """Words of the notes that make a value doubtful: haemolysed, clotted, diluted …"""
    return "; ".join(dict.fromkeys(said for n in notes if n.text and (said := spoilt_text(n.text))))


def spoilt_text(words: str) -> str:
    """'sample: …' with the source's own words, or '' where nothing (or only its denial) is said."""
    for match in SPOILT.finditer(words[:2000]):
        if not match["not"] and not match["none"]:
            what = "haemolysed" if "moly" in match["what"].casefold() else match[0].strip()
            what = "repeat advised" if match["again"] else what
            return f"sample: {text.clean(what, 60)}"
    return ""


def limits(written: Raw, quantity: Quantity, name: Coded, conversion: Conversion | None) -> Limits:
    """The source's reference range in the reading's unit; only a range that is for everybody, and only one."""
    found = ranges(written)
    if len(found) == 1:
        fit = found[0]
    else:
        common = [r for r in found if not r.appliesTo and r.age is None and _normal(r.type)]
        if len(common) != 1:
            return None, None
        fit = common[0]
    if fit.type is not None and not _normal(fit.type):
        return None, None
    bottom = None if fit.low is None else _limit(fit.low, quantity, name, conversion)
    top = None if fit.high is None else _limit(fit.high, quantity, name, conversion)
    return (None, None) if bottom is not None and top is not None and bottom > top else (bottom, top)


def _limit(bound: Quantity, quantity: Quantity, name: Coded, conversion: Conversion | None) -> Decimal | None:
    value = bound.value
    if value is None or not value.is_finite():
        return None
    if bound.unit != quantity.unit or (bound.code is not None and bound.code != quantity.code):
        if bound.unit is None and bound.code is None:
            pass  # a range without a unit is in the unit of its value
        elif name.concept is None:
            return None
        else:
            own = conversion_for(name.concept.key, name.code, bound.unit, bound.code, bound.system)
            if isinstance(own, str):
                return None
            conversion = own
    return value if conversion is None or not conversion.steps else conversion.apply(value)


def _normal(kind: CodeableConcept | None) -> bool:
    return kind is None or any(c.code == "normal" for c in coded(kind).codes)
