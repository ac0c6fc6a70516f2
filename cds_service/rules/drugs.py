"""Drug matching: RxNorm ingredient code first, then ingredient names in the text (drugs.toml). Unmapped stays unmapped.

A code wins over a text that contradicts it, and the contradiction is said. What cannot be mapped is “not checked”,
never “no conflict”.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from cds_service.record.facts import Code
from cds_service.rules.terms import Phrases, words

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CACHED = 4096  # distinct drug texts kept; no patient is part of the key


class Match(Struct, frozen=True):
    """What a drug's codes and text were mapped to; empty ``ingredients`` means not mapped."""

    ingredients: frozenset[str]
    local: bool = False  # a form that acts where it is put
    not_given: bool = False  # a flush or lock: not treatment
    contradicts: frozenset[str] = frozenset()  # ingredients the text names although the code says another


class Allergen(Struct, frozen=True):
    """What an allergy was mapped to: single drugs and whole classes."""

    ingredients: frozenset[str]
    classes: frozenset[str]


class DrugClass(Struct, frozen=True):
    """A class or side-chain group of drugs.toml with its members spelt out."""

    name: str
    title: str
    members: frozenset[str]
    reacts: bool = False  # an allergy to one member counts for all
    after: Phrases | None = None  # one with such a reaction does


class DrugTable:
    """drugs.toml, indexed. Raises ValueError or KeyError on a table that does not hold together."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.classes = _classes(table["classes"])
        self.side_chains = _classes(table["side-chains"])
        self.names = frozenset(table["known"]["names"]).union(*(c.members for c in self.classes.values()))
        for group in self.side_chains.values():
            self._require(group.members, f"side chain {group.name}")
        self._rxnorm = {code: frozenset(names) for code, names in table["rxnorm"].items()}
        for code, names in self._rxnorm.items():
            self._require(names, f"rxnorm {code}")
        phrases: dict[str, set[str]] = {name: {name} for name in self.names}
        for synonym, names in table["synonyms"].items():
            self._require(names, f"synonym {synonym}")
            phrases.setdefault(synonym, set()).update(names)
        self._drugs = Phrases(phrases)
        allergens = {phrase: {f"drug:{n}" for n in names} for phrase, names in phrases.items()}
        for name, row in table["classes"].items():
            for phrase in row.get("allergen", ()):
                allergens.setdefault(phrase, set()).add(f"class:{name}")
        self._allergens = Phrases(allergens)
        self._vague = frozenset(name for name, row in table["classes"].items() if row.get("vague", False))
        self._no_drug = Phrases({phrase: ["no drug"] for phrase in table["no-drug"]["words"]})
        self._allergen_codes: Mapping[str, str] = table["allergen-codes"]
        for target in self._allergen_codes.values():
            self.group([target])
        self.label_places: Mapping[str, str] = table["label-places"]
        self._require(self.label_places, "label-places")
        forms = table["forms"]
        self._local = frozenset(forms["local"])
        self._systemic = Phrases({phrase: ["systemic"] for phrase in forms["systemic"]})
        self._not_given = frozenset(forms["not_given"])
        self._found = lru_cache(CACHED)(self._match)
        self._found_allergen = lru_cache(CACHED)(self._allergen)

    def _require(self, names: Iterable[str], where: str) -> None:
        unknown = sorted(set(names) - self.names)
        if unknown:
            raise ValueError(f"{where}: unknown drug {', '.join(unknown)}")

    def group(self, names: Iterable[str]) -> frozenset[str]:
        """The drugs named by class names and drug names together; ValueError for a name that is neither."""
        members: set[str] = set()
        for name in names:
            if name in self.classes:
                members |= self.classes[name].members
            elif name in self.names:
                members.add(name)
            else:
                raise ValueError(f"{name!r} is neither a class nor a drug of drugs.toml")
        return frozenset(members)

    def match(self, label: str, codes: tuple[Code, ...] = ()) -> Match:
        """Map a medication or drug order. Cached by its text and codes."""
        return self._found(label, codes)

    def _match(self, label: str, codes: tuple[Code, ...]) -> Match:
        coded = frozenset[str]().union(*(self._rxnorm.get(c.code, ()) for c in codes if c.system == RXNORM))
        texts = [label, *(c.display for c in codes if c.display and c.display != label)]
        split = [words(text) for text in texts]
        written = next((found for found in map(self._drugs.find_words, split) if found), frozenset[str]())
        tokens = frozenset().union(*split)
        contradicts = written if coded and written and coded.isdisjoint(written) else frozenset[str]()
        return Match(
            ingredients=coded if contradicts else coded | written,
            local=not tokens.isdisjoint(self._local) and not any(map(self._systemic.find_words, split)),
            not_given=not tokens.isdisjoint(self._not_given),
            contradicts=contradicts,
        )

    def allergen(self, label: str, codes: tuple[Code, ...] = ()) -> Allergen:
        """Map what an allergy is to. Foods, pollens and the like map to nothing."""
        return self._found_allergen(label, codes)

    def no_drug(self, label: str) -> bool:
        """True for an allergy whose words name a food, an animal or another thing that is no drug."""
        return bool(self._no_drug.find(label))

    def _allergen(self, label: str, codes: tuple[Code, ...]) -> Allergen:
        ingredients: set[str] = set()
        classes: set[str] = set()
        for code in codes:
            if code.system == RXNORM:
                ingredients |= self._rxnorm.get(code.code, frozenset())
            target = self._allergen_codes.get(f"{code.system}|{code.code}", "")
            if target in self.classes:
                classes.add(target)
            elif target:
                ingredients.add(target)
        for text in (label, *(c.display for c in codes if c.display)):
            for target in self._allergens.find(text):
                kind, _, name = target.partition(":")
                (classes if kind == "class" else ingredients).add(name)
        for name in self._vague & classes:
            named = ingredients.union(*(self.classes[other].members for other in classes - self._vague))
            if named & self.classes[name].members:
                classes.remove(name)
        return Allergen(frozenset(ingredients), frozenset(classes))


def _classes(rows: Mapping[str, Any]) -> dict[str, DrugClass]:
    """Classes with ``@class`` members replaced by that class's own."""
    expanded: dict[str, frozenset[str]] = {}

    def members(name: str, above: tuple[str, ...] = ()) -> frozenset[str]:
        if name in above:
            raise ValueError(f"class {name} contains itself")
        if name not in expanded:
            found: set[str] = set()
            for member in rows[name]["members"]:
                found |= members(member[1:], (*above, name)) if member.startswith("@") else {member}
            expanded[name] = frozenset(found)
        return expanded[name]

    def after(row: Mapping[str, Any]) -> Phrases | None:
        phrases = row.get("reacts_after")
        return Phrases(dict.fromkeys(phrases, ("reaction",))) if phrases else None

    return {
        name: DrugClass(name, row["title"], members(name), row.get("reacts", False), after(row))
        for name, row in rows.items()
    }
