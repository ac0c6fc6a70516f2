"""Which conditions of states.toml the entries of a record are: one pass over problems and procedures, by code."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any, TypeVar

from msgspec import Struct

from cds_service.record.facts import Fact

STATES: dict[str, Any] = tomllib.loads(
    resources.files("cds_service.rules").joinpath("states.toml").read_text(encoding="utf-8")
)
SNOMED: str = STATES["systems"]["snomed"]
_ICD = frozenset((STATES["systems"]["icd10cm"], STATES["systems"]["icd10"]))

_TABLES: Mapping[str, Mapping[str, Any]] = {
    "pregnancy": STATES["pregnancy"]["problem"],
    "pregnancy ended": STATES["pregnancy"]["ended"],
    "maintenance dialysis": STATES["dialysis"]["maintenance"],
    "kidney failure": STATES["dialysis"]["failure"],
    "dialysis": STATES["dialysis"]["procedure"],
    **STATES["condition"],
}
EVER = frozenset(name for name, table in _TABLES.items() if table.get("ever"))

F = TypeVar("F", bound=Fact)


class _Words(Struct, frozen=True):
    name: str
    words: tuple[str, ...]
    not_words: tuple[str, ...]


def _by_code(key: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, table in _TABLES.items():
        for code in table[key]:
            found[code] = (*found.get(code, ()), name)
    return found


_BY_SNOMED = _by_code("snomed")
_BY_ICD = _by_code("icd10")
_LENGTHS = sorted({len(prefix) for prefix in _BY_ICD})
_BY_WORDS = [_Words(name, tuple(t["words"]), tuple(t["not_words"])) for name, t in _TABLES.items()]


def conditions_of(fact: Fact) -> set[str]:
    """The tables of states.toml a fact belongs to: by its codes, or, where none is SNOMED CT or ICD-10, by its name."""
    found: set[str] = set()
    coded = False
    for code in fact.codes:
        if code.system == SNOMED:
            coded = True
            found.update(_BY_SNOMED.get(code.code, ()))
        elif code.system in _ICD:
            coded = True
            for length in _LENGTHS:
                found.update(_BY_ICD.get(code.code[:length], ()))
    if coded:
        return found
    name = fact.label.lower()
    for table in _BY_WORDS:
        if any(word in name for word in table.words) and not any(word in name for word in table.not_words):
            found.add(table.name)
    return found


def sort_out(facts: Iterable[F]) -> dict[str, list[F]]:
    """Facts by the condition they are; those that are none are left out."""
    found: dict[str, list[F]] = {}
    for fact in facts:
        for name in conditions_of(fact):
            found.setdefault(name, []).append(fact)
    return found
