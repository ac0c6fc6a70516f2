"""Is a figure (number, unit, comparator) what a fact states? Exactly; converted or rounded only where that is said or shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import combinations
from typing import NamedTuple

from cds_service.grounding.evidence.evidence import Evidence, unit_of
from cds_service.grounding.evidence.source import source
from cds_service.grounding.language.measures import measure, same
from cds_service.record.facts import Reading
from cds_service.record.units import table

_SIGNIFICANT = 2  # digits a converted figure must show


class Figure(NamedTuple):
    """A number in its place: text, canonical unit ('' none), comparator, whether it is said to be approximate."""

    text: str
    unit: str = ""
    sign: str = ""
    about: bool = False


def matching(figure: Figure, cited: Sequence[Evidence]) -> int:
    """Mask of the cited facts that state this figure."""
    mask = 0
    bit = 1
    for evidence in cited:
        if _states(figure, evidence):
            mask |= bit
        bit <<= 1
    return mask


def _states(figure: Figure, evidence: Evidence) -> bool:
    fact = evidence.fact
    if isinstance(fact, Reading) and evidence.amount is not None:
        if figure.unit in ("", evidence.unit) and _equal(figure, evidence.value, evidence.amount):
            return figure.sign == fact.comparator
        if fact.display is not None and _stated_before_conversion(figure, fact):
            return figure.sign == fact.comparator
        if (
            figure.unit
            and figure.unit != evidence.unit
            and same(Decimal(figure.text), figure.unit, evidence.amount, evidence.unit)
        ):
            return figure.sign == fact.comparator
        if figure.unit and figure.unit != evidence.unit and not fact.comparator and not figure.sign:
            return _converted(figure, fact)
    said = f"{figure.sign}{figure.text}"
    if figure.unit:
        return any(
            (said, figure.unit) in each.quantities or _stepped(figure, each.quantities) for each in evidence.sources
        )
    return any(said in each.numbers for each in evidence.sources)


def dosed(figure: Figure, dose: str) -> bool:
    """True where a dosage states the figure, or no other amount of its kind."""
    quantities = source(dose).quantities
    said = measure(figure.unit)
    alike = [
        (n, u) for n, u in quantities if said is not None and (m := measure(u)) is not None and m.kind == said.kind
    ]
    return not alike or (figure.text, figure.unit) in quantities or _stepped(figure, alike)


def _stepped(figure: Figure, quantities: Iterable[tuple[str, str]]) -> bool:
    """0.5 g of a dosage of 500 mg."""
    said = Decimal(figure.text)
    return not figure.sign and any(
        unit[0] != "#" and number.replace(".", "", 1).isdecimal() and same(said, figure.unit, Decimal(number), unit)
        for number, unit in quantities
    )


def _equal(figure: Figure, written: str, value: Decimal) -> bool:
    if figure.text == written:
        return True
    said = Decimal(figure.text)
    if said == value:
        return True
    return figure.about and said != 0 and round(value, _decimals(figure.text)) == said


def _stated_before_conversion(figure: Figure, fact: Reading) -> bool:
    """The figure in the concept's own unit, where the reading is printed in another."""
    return fact.value is not None and figure.unit == unit_of(fact.unit) and Decimal(figure.text) == fact.value


def _converted(figure: Figure, fact: Reading) -> bool:
    """The figure in another unit of the concept: as the source wrote it, or within half of its own last digit."""
    if fact.written and (figure.text, figure.unit) in source(fact.written).quantities:
        return True
    concept = table().concepts.get(fact.concept)
    conversion = concept.conversions.get(figure.unit) if concept else None
    if (
        concept is None
        or conversion is None
        or fact.unit != concept.unit
        or len(figure.text.replace(".", "").lstrip("0")) < _SIGNIFICANT
    ):
        return False
    said, half = Decimal(figure.text), Decimal(5).scaleb(-_decimals(figure.text) - 1)
    ends = sorted((conversion.apply(said - half), conversion.apply(said + half)))
    return fact.value is not None and ends[0] <= fact.value <= ends[1]


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def differs(figure: Figure, cited: Sequence[Evidence]) -> bool:
    """The figure is how far two cited readings of one thing lie apart, in their unit."""
    said = Decimal(figure.text)
    for one, other in combinations(cited, 2):
        a, b = one.fact, other.fact
        alike = isinstance(a, Reading) and isinstance(b, Reading) and (a.concept or a.label) == (b.concept or b.label)
        if not alike or one.unit != other.unit or figure.unit not in ("", one.unit):
            continue
        if one.amount is not None and other.amount is not None and abs(one.amount - other.amount) == said:
            return True
    return False


def is_limit(figure: Figure, evidence: Evidence) -> bool:
    """The figure is one end of a cited reading's own reference range."""
    if not isinstance(evidence.fact, Reading) or figure.unit not in ("", evidence.unit):
        return False
    return any(limit is not None and Decimal(figure.text) == limit for limit in evidence.limits)


def bounds(figure: Figure, evidence: Evidence) -> bool:
    """The figure with its sign is the reading's reference itself: "<5" its upper end, "≥60" its lower."""
    low, high = evidence.limits
    end = high if figure.sign in ("<", "<=") else low
    return is_limit(figure, evidence) and end is not None and Decimal(figure.text) == end


def is_range(low: str, high: str, evidence: Evidence) -> bool:
    """Both ends are the reading's own reference range, in order."""
    bottom, top = evidence.limits
    return bottom is not None and top is not None and Decimal(low) == bottom and Decimal(high) == top


def compared(figure: Figure, cited: Sequence[Evidence]) -> int | None:
    """For "above 5.1": mask of the cited readings whose value that is, 0 for a limit; None when nothing cited lies beyond it."""
    threshold = Decimal(figure.text)
    same_unit = [e for e in cited if figure.unit in ("", e.unit)]
    values = [e.amount for e in same_unit if e.amount is not None]
    if not any(_beyond(value, figure.sign, threshold) for value in values):
        return None
    if any(is_limit(figure, e) for e in same_unit):
        return 0
    mask = matching(figure._replace(sign=""), cited)
    strictly = any(_beyond(value, figure.sign[0], threshold) for value in values)
    return mask if mask and strictly else None  # "at least 1.9" of a 1.9 makes a bound of a value


def _beyond(value: Decimal, sign: str, threshold: Decimal) -> bool:
    return {">": value > threshold, "<": value < threshold, ">=": value >= threshold, "<=": value <= threshold}[sign]
