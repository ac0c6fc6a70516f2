"""Codes of the record → Code tuples, a concept of units.toml, a label, and a note where codes and names disagree.

Matching is on (system, code) alone. A LOINC-shaped code without a system is not matched: race codes look the same.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from msgspec import Struct

from cds_service.record import text
from cds_service.record.facts import Code
from cds_service.record.units import Concept, table
from cds_service.record.wording import CONTRADICTS
from fhir_adapters.read.datatypes import CodeableConcept, Coding

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
MAX_CODINGS = 20
DISAGREE = "its codes disagree: not interpreted"
UNSYSTEMATIC = "code without system: not matched"
Triple = tuple[str | None, str | None, str | None]
_LOINC_SHAPE = re.compile(r"\d{1,7}-\d")


class Coded(Struct, frozen=True, gc=False):
    """A CodeableConcept, judged."""

    codes: tuple[Code, ...]
    label: str
    concept: Concept | None = None
    code: tuple[str, str] = ("", "")  # the (system, code) by which the concept was found
    note: str = ""


NOTHING = Coded((), "")


def coded(concept: CodeableConcept | None) -> Coded:
    """A CodeableConcept, judged; the same input gives the same object."""
    if concept is None:
        return NOTHING
    codings = concept.coding
    try:
        if codings is not None and len(codings) == 1:
            one = codings[0]
            return _one(one.system, one.code, one.display, concept.text)
        return _many(_triples(concept), concept.text)
    except text.Oversize:
        return _judge(_triples(concept), concept.text)


def _triples(concept: CodeableConcept) -> tuple[Triple, ...]:
    return tuple((c.system, c.code, c.display) for c in concept.codings[:MAX_CODINGS])


def of_coding(coding: Coding | None) -> Coded:
    """A lone Coding, judged."""
    return NOTHING if coding is None else coded(CodeableConcept(coding=[coding]))


@lru_cache(maxsize=8192)
def _one(system: str | None, code: str | None, display: str | None, words: str | None) -> Coded:
    return _many(((system, code, display),), words)


@lru_cache(maxsize=4096)
def _many(triples: tuple[Triple, ...], words: str | None) -> Coded:
    if sum(len(part or "") for triple in triples for part in triple) + len(words or "") > 2 * text.CACHED:
        raise text.Oversize
    return _judge(triples, words)


def _judge(triples: tuple[Triple, ...], words: str | None) -> Coded:
    codes = tuple(code_of(*t) for t in triples if t[1])
    known = [(c, found) for c in codes if (found := table().codes.get((c.system, c.code))) is not None]
    concepts = {found.key for _, found in known}
    named = [text.label(n) for n in (words, *(t[2] for t in triples)) if n and n.strip()]
    if len(concepts) > 1:
        return Coded(codes, named[0] if named else codes[0].code, note=DISAGREE)
    if known:
        code, concept = known[0]
        return Coded(codes, concept.label, concept, (code.system, code.code), _contradiction(concept, named))
    note = ""
    if any(not c.system and _LOINC_SHAPE.fullmatch(c.code) for c in codes):
        note = UNSYSTEMATIC
    return Coded(codes, named[0] if named else (codes[0].code if codes else ""), note=note)


def code_of(system: str | None, code: str | None, display: str | None) -> Code:
    """A Code with the system in its canonical spelling."""
    uri = text.clean(system or "", 200)
    return Code(table().systems.get(uri, uri), text.clean(code or "", 100), text.label(display) if display else "")


def _contradiction(concept: Concept, names: list[str]) -> str:
    """A name that speaks of another concept and not of this one. The code wins; the mismatch is said."""
    for name in names:
        folded = name.casefold()
        if any(pattern.search(folded) for pattern in _stems()[concept.key]):
            continue
        if any(
            pattern.search(folded) for key, patterns in _stems().items() if key != concept.key for pattern in patterns
        ):
            return f"name '{name}' {CONTRADICTS} ({concept.label})"
    return ""


@lru_cache(maxsize=4096)
def meant(name: str) -> tuple[Concept, ...]:
    """The concepts whose words a name holds: what it speaks of. Never a reason to treat it as one of them."""
    folded = name.casefold()
    found = (key for key, patterns in _stems().items() if any(pattern.search(folded) for pattern in patterns))
    return tuple(table().concepts[key] for key in found)


@cache
def _stems() -> dict[str, tuple[re.Pattern[str], ...]]:
    """Short words must stand alone; longer stems start a word."""
    return {
        key: tuple(re.compile(rf"\b{re.escape(w)}" + (r"\b" if len(w) <= 3 else "")) for w in concept.words)
        for key, concept in table().concepts.items()
    }


def texts(concepts: list[CodeableConcept] | None, limit: int = 10) -> tuple[str, ...]:
    """The labels of a list of concepts, empty ones left out."""
    return tuple(found.label for c in (concepts or ())[:limit] if (found := coded(c)).label)


def first_code(concepts: list[CodeableConcept] | None) -> str:
    """The first code of the first concept that has one, or its words."""
    for concept in concepts or ():
        found = coded(concept)
        if found.codes:
            return found.codes[0].code
        if found.label:
            return found.label
    return ""
