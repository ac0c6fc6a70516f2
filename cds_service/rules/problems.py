"""Which groups a problem of the record belongs to: ICD-10 prefix first, then whole words (problems.toml)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cds_service.record.facts import Code, Problem
from cds_service.rules.terms import Phrases, words

ICD10 = frozenset(
    (
        "http://hl7.org/fhir/sid/icd-10",
        "http://hl7.org/fhir/sid/icd-10-cm",
        "http://hl7.org/fhir/sid/icd-10-us",
        "http://hl7.org/fhir/sid/icd-10-de",
        "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    )
)
CACHED = 4096


class ProblemTable:
    """problems.toml, indexed."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        groups = table["groups"]
        self.titles = {name: group["title"] for name, group in groups.items()}
        common = table["common"]
        self._never = Phrases({phrase: ["never"] for phrase in common["not_words"]})
        self._past = Phrases({phrase: ["past"] for phrase in common["past"]})
        self._excludes = frozenset(common["excludes"])
        self.ever = frozenset(name for name, group in groups.items() if group.get("ever", False))
        words_of: dict[str, list[str]] = {}
        not_of: dict[str, list[str]] = {}
        self._prefixes: dict[str, frozenset[str]] = {}
        for name, group in groups.items():
            for phrase in group["words"]:
                words_of.setdefault(phrase, []).append(name)
            for phrase in group.get("not_words", ()):
                not_of.setdefault(phrase, []).append(name)
            for prefix in group.get("icd10", ()):
                self._prefixes[prefix] = self._prefixes.get(prefix, frozenset()) | {name}
        self._words = _each(words_of)
        self._not = _each(not_of)
        self._lengths = sorted({len(prefix) for prefix in self._prefixes})
        self._found = lru_cache(CACHED)(self._groups)

    def groups(self, problem: Problem) -> frozenset[str]:
        """Names of the groups a problem belongs to; negated problems are the caller's to leave out.

        So are inactive ones, but for the groups of ``ever``.
        """
        return self._found(problem.label, problem.codes)

    def _groups(self, label: str, codes: tuple[Code, ...]) -> frozenset[str]:
        coded: set[str] = set()
        for code in codes:
            if code.system in ICD10:
                plain = code.code.replace(".", "").upper()
                for length in self._lengths:
                    coded |= self._prefixes.get(plain[:length], frozenset())
        written: set[str] = set()
        for text in (label, *(c.display for c in codes if c.display and c.display != label)):
            tokens = words(text)
            if self._never.find_words(tokens):
                continue
            ends = next((at for at, word in enumerate(tokens) if word in self._excludes), None)
            named = _named(self._words, tokens[:ends]) - _named(self._not, tokens)
            written |= named & self.ever if self._past.find_words(tokens) else named
        return frozenset(coded | written)


def _each(phrases: Mapping[str, list[str]]) -> list[Phrases]:
    """One index per group: a longer phrase of one group must not use up the words of another's."""
    by_group: dict[str, dict[str, list[str]]] = {}
    for phrase, groups in phrases.items():
        for group in groups:
            by_group.setdefault(group, {})[phrase] = [group]
    return [Phrases(entries) for entries in by_group.values()]


def _named(indexes: list[Phrases], tokens: tuple[str, ...]) -> frozenset[str]:
    return frozenset[str]().union(*(index.find_words(tokens) for index in indexes))
