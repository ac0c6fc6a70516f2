"""The units table (units.toml): which code is which concept, and what a number with a unit is in that concept's
own unit.

Exact decimals throughout. Nothing is guessed: an unknown unit, two units that disagree, or an impossible value is
refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from msgspec import Struct, field

from cds_service.record.text import CACHED, Oversize

UCUM = "http://unitsofmeasure.org"
Step = tuple[str, Decimal]


class Conversion(Struct, frozen=True, gc=False):
    """How to come from one source unit to the concept's unit.

    ``low``/``high`` are the plausible range in the source unit.
    """

    unit: str  # canonical spelling of the source unit
    steps: tuple[Step, ...]  # empty: the same unit
    low: Decimal
    high: Decimal

    def apply(self, value: Decimal) -> Decimal:
        """The value in the concept's unit, exact to the 28 digits of the decimal context."""
        for sign, number in self.steps:
            if sign == "*":
                value = value * number
            elif sign == "/":
                value = value / number
            elif sign == "+":
                value = value + number
            else:
                value = value - number
        return value


class Si(Struct, frozen=True, gc=False):
    """How a concept is printed at a site that works in SI units: the way back from the concept's own unit."""

    conversion: Conversion
    places: int  # decimals a converted value is given

    def of(self, value: Decimal, places: int = 0) -> Decimal:
        """A value of the concept's unit in the SI unit; never fewer decimals than ``places``."""
        return round(_back(self.conversion.steps, value), max(self.places, places))


class Concept(Struct, frozen=True, kw_only=True):
    """One thing that is measured or observed. ``kind`` is number, coded or date."""

    key: str
    label: str
    kind: str = "number"
    unit: str = ""
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    strict: bool = False  # a coded answer the table does not know is refused
    unit_may_be_missing: bool = False
    bare_bound: bool = False
    words_as: str = ""  # the concept that words stand for where a number was asked for: “room air” in place of a flow
    group: str = ""
    notable: Decimal | None = None  # the smallest change that counts; without it a share of the first value
    notable_share: Decimal = Decimal("0.1")
    words: tuple[str, ...] = ()
    si: Si | None = None
    conversions: Mapping[str, Conversion] = field(default_factory=dict)  # folded spelling → conversion
    answer_codes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    answer_words: Mapping[str, str] = field(default_factory=dict)
    printed: Mapping[str, str] = field(default_factory=dict)  # answer → how it is worded for people, where that differs


class Table(Struct, frozen=True):
    """units.toml, loaded and checked."""

    concepts: Mapping[str, Concept]
    codes: Mapping[tuple[str, str], Concept]  # (system, code) → concept; some codes have a concept variant of their own
    systems: Mapping[str, str]  # accepted spelling of a code system → its canonical URI


def fold(text: str) -> str:
    """A unit without the differences that carry no meaning: spaces, micro signs, superscripts."""
    return "".join(text.split()).translate(_SAME)


_SAME = str.maketrans(
    {"µ": "u", "μ": "u", "²": "2", "³": "3", "⁹": "9", "⁶": "6", "¹": "1", "×": "x", "·": ".", "−": "-"}
)


@cache
def table() -> Table:
    """The table that ships with the package."""
    return load(files(__package__).joinpath("units.toml").read_text("utf-8"))


def load(text: str) -> Table:
    """A table from TOML; raises ValueError or KeyError when it contradicts itself (two concepts for one code)."""
    data = tomllib.loads(text)
    spellings: dict[str, list[str]] = data["spellings"]
    concepts: dict[str, Concept] = {}
    codes: dict[tuple[str, str], Concept] = {}
    for key, row in data["concepts"].items():
        concepts[key] = concept = _concept(key, row, spellings)
        for variant, part in [
            (concept, row),
            *((_concept(key, row | o, spellings), o) for o in row.get("other_codes", ())),
        ]:
            for code in _codes_of(part):
                if code in codes:
                    raise ValueError(f"{code} stands for both {codes[code].key} and {key}")
                codes[code] = variant
    systems = {spelling: uri for uri, group in data["systems"].items() for spelling in group}
    return Table(concepts, codes, systems)


def _codes_of(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (system, code)
        for name, system in (("loinc", "http://loinc.org"), ("snomed", "http://snomed.info/sct"))
        for code in row.get(name, ())
    ]


def _concept(key: str, row: Mapping[str, Any], spellings: Mapping[str, list[str]]) -> Concept:
    low, high = (Decimal(text) for text in row.get("plausible", ("0", "0")))
    answers: Mapping[str, Mapping[str, list[str]]] = row.get("answers", {})
    conversions = _conversions(row, low, high, spellings) if "unit" in row else {}
    return Concept(
        key=key,
        label=row["label"],
        kind=row.get("kind", "number"),
        unit=row.get("unit", ""),
        low=low,
        high=high,
        strict=row.get("strict", False),
        unit_may_be_missing=row.get("unit_may_be_missing", False),
        bare_bound=row.get("bare_bound", False),
        words_as=row.get("words_as", ""),
        group=row.get("group", ""),
        notable=Decimal(row["notable"]) if "notable" in row else None,
        notable_share=Decimal(row.get("notable_share", "0.1")),
        words=tuple(row.get("words", ())),
        si=Si(conversions[fold(row["si"]["unit"])], row["si"]["places"]) if "si" in row else None,
        conversions=conversions,
        answer_codes={
            (code.rpartition("|")[0], code.rpartition("|")[2]): answer
            for answer, a in answers.items()
            for code in a["codes"]
        },
        answer_words={plain(word): answer for answer, a in answers.items() for word in a["words"]},
        printed={answer: str(a["printed"]) for answer, a in answers.items() if "printed" in a},
    )


def plain(text: str) -> str:
    """Words for comparison: lower case, single spaces, no full stop at the end."""
    return " ".join(text.casefold().split()).rstrip(".")


def _conversions(
    row: Mapping[str, Any], low: Decimal, high: Decimal, spellings: Mapping[str, list[str]]
) -> dict[str, Conversion]:
    """Every accepted spelling, and in lower case too where only one meaning is left."""
    accept: dict[str, str] = {row["unit"]: ""} if row["unit"] not in row.get("accept", {}) else {}
    accept |= row.get("accept", {})
    narrowed: Mapping[str, list[str]] = row.get("plausible_in", {})
    exact: dict[str, Conversion] = {}
    for unit, formula in accept.items():
        steps = _steps(formula)
        own = [Decimal(text) for text in narrowed[unit]] if unit in narrowed else [_back(steps, b) for b in (low, high)]
        conversion = Conversion(unit, steps, own[0], own[1])
        for spelling in (unit, *spellings.get(unit, ())):
            exact.setdefault(fold(spelling), conversion)
    lower: dict[str, Conversion | None] = {}
    for spelling, conversion in exact.items():
        key = spelling.casefold()
        same = lower.get(key, conversion)
        lower[key] = conversion if same is not None and same.steps == conversion.steps else None
    return {k: c for k, c in lower.items() if c is not None} | exact


def _steps(formula: str) -> tuple[Step, ...]:
    steps = []
    for part in filter(None, (p.strip() for p in formula.split(","))):
        sign, number = part.split()
        if sign not in "*/+-":
            raise ValueError(f"unknown step {part!r}")
        steps.append((sign, Decimal(number)))
    return tuple(s for s in steps if s != ("*", Decimal(1)))


def _back(steps: tuple[Step, ...], value: Decimal) -> Decimal:
    """A bound of the canonical unit in the source unit, rounded outwards far beyond any printed digit."""
    for sign, number in reversed(steps):
        value = {"*": value / number, "/": value * number, "+": value - number, "-": value + number}[sign]
    return value


def conversion_for(
    concept: str, code_of: tuple[str, str], unit: str | None, code: str | None, system: str | None
) -> Conversion | str:
    """The conversion for a Quantity's unit and code, or the reason why there is none.

    A UCUM code decides; a unit that contradicts it is no unit. Without a UCUM code whichever of the two is known
    decides.
    """
    try:
        return _conversion_for(concept, code_of, unit, code, system)
    except Oversize:
        return "no unit of reasonable length"


@lru_cache(maxsize=4096)
def _conversion_for(
    concept: str, code_of: tuple[str, str], unit: str | None, code: str | None, system: str | None
) -> Conversion | str:
    if len(unit or "") + len(code or "") + len(system or "") > CACHED:
        raise Oversize
    found = table().codes.get(code_of) or table().concepts[concept]
    known = found.conversions
    by_code, by_unit = _look_up(known, code), _look_up(known, unit)
    if code and by_code is None and system == UCUM:
        return f"unit {code!r} is not one of {found.label}"
    if by_code is not None and by_unit is not None and by_code.steps != by_unit.steps:
        return f"unit {unit!r} contradicts its code {code!r}"
    decided = by_code or by_unit
    if decided is not None:
        return decided
    if (unit and unit.strip()) or (code and code.strip()):
        return f"unit {unit or code!r} is not one of {found.label}"
    if found.unit_may_be_missing:
        return known[fold(found.unit)]
    return "no unit"


def _look_up(known: Mapping[str, Conversion], spelling: str | None) -> Conversion | None:
    if not spelling:
        return None
    folded = fold(spelling)
    return known.get(folded) or known.get(folded.casefold())
